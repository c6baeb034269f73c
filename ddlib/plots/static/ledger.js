/* Hides the rows that do not have all the words searched for, or another kind, verdict or chapter,
   and the tables that are then empty. */
(root) => {
  const form = root.querySelector("form"), output = form.querySelector("output");
  const tables = [...root.querySelectorAll("table")];
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const update = () => {
    const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = ["kind", "verdict", "chapter"].filter((name) => form[name].value);
    rows.forEach((row, i) => {
      row.hidden = !(words.every((word) => texts[i].includes(word)) &&
        chosen.every((name) => row.dataset[name] === form[name].value));
    });
    tables.forEach((table) => {
      table.hidden = [...table.tBodies[0].rows].every((row) => row.hidden);
    });
    output.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
  };
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}
