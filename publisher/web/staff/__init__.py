"""The pages of the staff. A view is a door: fetch, call one verb, answer."""
