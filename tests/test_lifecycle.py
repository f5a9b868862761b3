from __future__ import annotations

import ast
from pathlib import Path

import pytest

from publisher import lifecycle
from publisher.models import Delivery, Digest, Event, Item, Notice, Post, Subscription

ROOT = Path(__file__).resolve().parent.parent


def test_moving_writes_the_state_and_one_event(make_item, anne):
    item = make_item(state="received")
    lifecycle.move(item, "queued", by=anne, why="for the next one")
    assert Item.objects.get(pk=item.pk).state == "queued"
    event = Event.objects.get(noun="item", noun_id=item.pk)
    assert (event.verb, event.before, event.after, event.by, event.why) == (
        "moved",
        "received",
        "queued",
        anne,
        "for the next one",
    )


def test_a_move_that_the_table_does_not_have_is_refused_and_changes_nothing(make_item, anne):
    item = make_item(state="withdrawn")
    with pytest.raises(lifecycle.NotAllowed, match="is withdrawn: it cannot become queued"):
        lifecycle.move(item, "queued", by=anne)
    assert Item.objects.get(pk=item.pk).state == "withdrawn"
    assert not Event.objects.exists()


def test_of_two_who_move_at_once_one_succeeds(make_item, anne, ben):
    item = make_item(state="received")
    first, second = Item.objects.get(pk=item.pk), Item.objects.get(pk=item.pk)
    lifecycle.move(first, "queued", by=anne)
    with pytest.raises(lifecycle.Overtaken, match="just been moved by somebody else"):
        lifecycle.move(second, "set_aside", by=ben)
    assert Item.objects.get(pk=item.pk).state == "queued"
    assert Event.objects.filter(verb="moved").count() == 1


@pytest.mark.parametrize("model", [Item, Digest, Delivery, Notice, Post, Subscription])
def test_every_state_of_a_noun_is_in_its_table(model):
    assert set(model.MOVES) == set(model.State.values)
    assert {state for following in model.MOVES.values() for state in following} <= set(model.State.values)


def test_nobody_else_writes_state():
    """lifecycle.py for everything, delivery/ for its batches: no other assignment or update of `state`."""
    allowed = {"publisher/lifecycle.py", *map(str, Path("publisher/delivery").glob("*.py"))}
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("publisher", "workers", "config")
        for path in (ROOT / folder).rglob("*.py")
        if str(path.relative_to(ROOT)) not in allowed and "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if _writes_state(node)
    }
    # What is being edited mirrors the row that was locked and moved: no write to the database.
    assert {place.split(":")[0] for place in found} <= {"publisher/reviews.py"}
    assert len(found) <= 1


def _writes_state(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
        return any(keyword.arg == "state" for keyword in node.keywords)
    return False
