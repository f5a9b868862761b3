/* <button data-copy="id" hidden> copies what stands in that field. Without JavaScript it stays hidden, and people copy it themselves. */
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const status = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied.";
    } catch {
      field.select();
      status.textContent = "Press Ctrl+C (⌘C on a Mac) to copy it.";
    }
  });
}
