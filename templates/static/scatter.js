// The finder's plot by any two columns of its table, with the rules of `pictures/scatter.py`. The
// axes stand in the address. A point that is pointed at, or has the focus, is described below.
{
  const form = document.querySelector("form.axes");
  const svg = document.querySelector(".scatter svg");
  const readout = document.querySelector(".readout");
  const table = document.querySelector("table.finder");
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 420, 64, 16, 16, 52];
  const [SKEWED, TICKS] = [10, 6];
  const explanation = readout.textContent;

  const columns = new Map();
  for (const heading of table.querySelectorAll("th[data-key]")) {
    columns.set(heading.dataset.key, {
      index: heading.cellIndex,
      title: (heading.querySelector("span, button") ?? heading).textContent,
      unit: heading.dataset.unit,
      suffix: heading.dataset.suffix,
    });
  }
  const address = (link) => link.getAttribute("href");
  const rows = new Map(
    [...table.tBodies[0].rows].map((row) => [address(row.querySelector("a")), row]),
  );
  const points = new Map([...svg.querySelectorAll("a")].map((point) => [address(point), point]));
  // Heads without a value on an axis of the page as it came have no point there: all get one here.
  const pointOf = (row) => {
    const href = address(row.querySelector("a"));
    if (!points.has(href)) {
      const [template] = points.values();
      const point = template.cloneNode(true);
      const label = row.cells[2];
      point.setAttribute("href", href);
      point.setAttribute("class", label.className.replace(/\bby\b/, ""));
      const named = label.textContent === "–" ? "" : ` ${label.textContent}`;
      point.querySelector("title").textContent = row.querySelector("a").textContent + named;
      svg.append(point);
      points.set(href, point);
      listen(point);
    }
    return points.get(href);
  };

  const number = (row, index) => Number(row.cells[index].textContent.replace("−", "-"));
  const tidy = (value) => Number(value.toPrecision(10));

  const axis = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (low === high) return { low: low - 0.5, high: high + 0.5, logarithmic: false };
    const sorted = values.toSorted((a, b) => a - b);
    const half = sorted.length / 2;
    const median = (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
    if (low > 0 && high > SKEWED * median) return { low, high, logarithmic: true };
    return { low: low < 0.5 * high ? Math.min(low, 0) : low, high, logarithmic: false };
  };
  const at = ({ low, high, logarithmic }, value) =>
    logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const ticks = ({ low, high, logarithmic }) => {
    if (!logarithmic) {
      const least = (high - low) / TICKS;
      const power = 10 ** Math.floor(Math.log10(least));
      const step = [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= least * (1 - 1e-9));
      const found = [];
      for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step + 1e-9); n += 1) {
        found.push(tidy(step * n));
      }
      return found;
    }
    let inside = [];
    for (const digits of [[1, 2, 5], [1]]) {
      inside = [];
      for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p += 1) {
        for (const digit of digits) inside.push(tidy(digit * 10 ** p));
      }
      inside = inside.filter((tick) => low <= tick && tick <= high);
      if (inside.length <= 1.5 * TICKS) break;
    }
    return inside;
  };

  const element = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const round = (value) => Math.round(10 * value) / 10;

  const draw = (across, up) => {
    const drawn = [...rows.values()].map((row) => ({
      row,
      x: number(row, across.index),
      y: number(row, up.index),
    }));
    const inPlot = drawn.filter(({ x, y }) => !Number.isNaN(x) && !Number.isNaN(y));
    for (const { row } of drawn) pointOf(row).setAttribute("visibility", "hidden");
    svg.querySelector(".ticks.across").replaceChildren();
    svg.querySelector(".ticks.up").replaceChildren();
    if (!inPlot.length) {
      readout.textContent = "No head has both numbers.";
      return;
    }
    readout.textContent = explanation;
    const xs = axis(inPlot.map(({ x }) => x));
    const ys = axis(inPlot.map(({ y }) => y));
    const xAt = (value) => round(LEFT + (WIDTH - LEFT - RIGHT) * at(xs, value));
    const yAt = (value) => round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * at(ys, value));
    for (const { row, x, y } of inPlot) {
      const point = pointOf(row);
      point.removeAttribute("visibility");
      point.querySelector("circle").setAttribute("cx", xAt(x));
      point.querySelector("circle").setAttribute("cy", yAt(y));
    }
    for (const tick of ticks(xs)) {
      svg.querySelector(".ticks.across").append(
        element("path", { d: `M${xAt(tick)} ${TOP}V${HEIGHT - BOTTOM}` }),
        element("text", { x: xAt(tick), y: 386 }, String(tick).replace("-", "−")),
      );
    }
    for (const tick of ticks(ys)) {
      svg.querySelector(".ticks.up").append(
        element("path", { d: `M${LEFT} ${yAt(tick)}H${WIDTH - RIGHT}` }),
        element("text", { x: 56, y: yAt(tick) }, String(tick).replace("-", "−")),
      );
    }
    svg.querySelector(".axis.across").textContent = `${named(across)} →`;
    svg.querySelector(".axis.up").textContent = `↑ ${named(up)}`;
  };
  const named = ({ title, unit }) => (unit ? `${title}, ${unit}` : title);

  const [acrossBox, upBox] = form.querySelectorAll("select");
  const defaults = { across: acrossBox.value, up: upBox.value };
  const chosen = (box) => columns.get(box.value);

  const rank = (row, index) => {
    const value = number(row, index);
    const values = [...rows.values()].map((each) => number(each, index));
    const ranked = values.filter((each) => !Number.isNaN(each));
    return `rank ${ranked.filter((each) => each > value).length + 1} of ${ranked.length}`;
  };
  const listen = (point) => {
    const describe = () => {
      const row = rows.get(address(point));
      const facts = [acrossBox, upBox].map((box) => {
        const { index, title, suffix } = chosen(box);
        return `${title} ${row.cells[index].textContent}${suffix} (${rank(row, index)})`;
      });
      readout.textContent = `${point.querySelector("title").textContent}: ${facts.join("; ")}.`;
    };
    point.addEventListener("pointerenter", describe);
    point.addEventListener("focus", describe);
  };
  for (const point of points.values()) listen(point);

  for (const box of [acrossBox, upBox]) {
    box.addEventListener("change", () => {
      fragmentState.write({
        across: acrossBox.value === defaults.across ? "" : acrossBox.value,
        up: upBox.value === defaults.up ? "" : upBox.value,
      });
      draw(chosen(acrossBox), chosen(upBox));
    });
  }
  fragmentState.follow((state) => {
    for (const [box, name] of [[acrossBox, "across"], [upBox, "up"]]) {
      const wanted = state.get(name) ?? defaults[name];
      box.value = [...box.options].some(({ value }) => value === wanted) ? wanted : defaults[name];
    }
    draw(chosen(acrossBox), chosen(upBox));
  });
  form.hidden = false;
}
