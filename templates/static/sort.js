// The finder's table sorted by any column, and ranks by it: ties share a rank, as in ranks that
// are written into the page. The column stands in the address: sort=variance, or sort=-variance
// for the smallest first.
{
  const table = document.querySelector("table.finder");
  const body = table.tBodies[0];
  const headings = [...table.querySelectorAll("th[data-key]")];
  const sortedBy = document.querySelector(".sorted-by");
  const rows = [...body.rows].map((row) => ({
    row,
    head: row.cells[1].textContent.match(/\d+/g).map(Number),
    label: row.cells[2].textContent,
    numbers: [...row.cells].map((cell) => Number(cell.textContent.replace("−", "-"))),
  }));
  const first = headings.find((heading) => heading.ariaSort)?.dataset.key;

  const byHead = (a, b) => a.head[0] - b.head[0] || a.head[1] - b.head[1];
  const orders = {
    head: byHead,
    label: (a, b) => (a.label === "–") - (b.label === "–") || a.label.localeCompare(b.label),
  };

  /** Larger numbers first; rows without a number are the last in either direction. */
  const byNumber = (column, turn) => (a, b) => {
    const [left, right] = [a.numbers[column], b.numbers[column]];
    if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
    return turn * (right - left);
  };

  const sort = (key, turned) => {
    const heading = headings.find((each) => each.dataset.key === key) ?? headings[2];
    const column = heading.cellIndex;
    const turn = turned ? -1 : 1;
    const isNumber = !orders[heading.dataset.key];
    const compare = isNumber
      ? byNumber(column, turn)
      : (a, b) => turn * orders[heading.dataset.key](a, b);
    rows.sort((a, b) => compare(a, b) || byHead(a, b));
    const descending = rows.map((each) => each.numbers[column]).sort((a, b) => b - a);
    for (const { row, numbers } of rows) {
      const value = numbers[column];
      row.cells[0].textContent =
        isNumber && !Number.isNaN(value) ? descending.filter((each) => each > value).length + 1 : "";
      for (const cell of row.querySelectorAll(".by")) cell.classList.remove("by");
      row.cells[column].classList.add("by");
      body.append(row);
    }
    for (const each of headings) each.removeAttribute("aria-sort");
    const upward = isNumber ? turned : !turned;
    heading.setAttribute("aria-sort", upward ? "ascending" : "descending");
    sortedBy.textContent = heading.querySelector("button").textContent;
  };

  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    const text = heading.querySelector("span") ?? heading.firstChild;
    text.replaceWith(button);
    button.append(text.textContent);
    button.addEventListener("click", () => {
      const key = heading.dataset.key;
      const state = fragmentState.read().get("sort") ?? first;
      const sort = state === key ? `-${key}` : key;
      fragmentState.write({ sort: sort === first ? "" : sort });
      apply(fragmentState.read());
    });
  }

  const apply = (state) => {
    const by = state.get("sort") ?? first;
    sort(by.replace(/^-/, ""), by.startsWith("-"));
  };
  fragmentState.follow(apply);
}
