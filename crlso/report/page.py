"""The frame of a report: one HTML page with its style and its script, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from crlso._base.displays import safe, style

__all__ = ["page", "section", "sortable"]

_LONGEST = 60  # letters of a heading
_LONG = 30  # letters of an entry that may be broken into lines

_STYLE = """
html{background:#ffffff}
@media screen and (prefers-color-scheme:dark){html{background:#1b1d21}}
body.crlso{margin:0 auto;padding:16px 20px 48px;max-width:1080px;font-size:15px;box-sizing:border-box}
h1{font-size:1.5em;margin:.4em 0 .1em;overflow-wrap:anywhere}
h2{font-size:1.15em;margin:1.8em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
p,li,summary{margin:.4em 0;max-width:75ch;overflow-wrap:anywhere}
.lead,figcaption,.small{color:var(--faint)}
.crlso td{overflow-wrap:anywhere}
.crlso td.text{overflow-wrap:normal;white-space:nowrap}
.crlso td.long{min-width:24em;white-space:pre-wrap;font-family:ui-monospace,monospace;font-size:.86em}
.tall{max-height:32em;overflow:auto;border:1px solid var(--line)}
.tall thead th{position:sticky;top:0;background:var(--ground);z-index:1}
.tall table{margin:0;width:100%}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible,.wide:focus-visible,.tall:focus-visible{outline:2px solid #3f8fc0}
th button::after{content:" \\2195";color:var(--faint)}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
tr.chosen{background:var(--shade);outline:2px solid #3f8fc0;outline-offset:-2px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:8px 32px}
.chart{margin:8px 0 0;min-width:0}
.chart figcaption{font-size:.92em;margin-bottom:28px}
.plot{position:relative;height:280px;margin:0 14px 46px 58px}
.plot>svg{overflow:visible}
.plot>svg>svg{overflow:hidden}
.plot text{font-size:12px;fill:var(--ink)}
.plot text.dot{font-size:16px;font-weight:700}
.grid{stroke:var(--line);stroke-width:1}
circle.dot{stroke:var(--ink);stroke-width:.7}
circle.back{fill:var(--line)}
.dot.near{stroke:var(--ink);stroke-width:2.5}
[data-target]{cursor:pointer}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:0 0 8px 58px;font-size:.9em}
.key svg{display:inline-block;margin-right:6px}
.scale{height:10px;width:160px;display:inline-block;vertical-align:middle;margin:0 8px}
#tip{position:fixed;pointer-events:none;background:var(--ink);color:var(--ground);padding:5px 9px;border-radius:4px;
font-size:13px;max-width:min(90vw,46em);white-space:pre-line;overflow-wrap:anywhere;z-index:9}
@media (max-width:640px){body.crlso{padding:10px 12px 32px}.plot{height:240px;margin-left:50px}.key{margin-left:0}}
@media print{.tall{max-height:none;overflow:visible;border:0}.crlso .wide{overflow:visible}
.crlso .wide>svg{max-width:100%;height:auto}#tip,.screen{display:none}th button::after{content:""}
figure,tr,.cell{break-inside:avoid}h2{break-after:avoid}body.crlso{max-width:none;font-size:11px;padding:0}}
"""

_SCRIPT = """
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const isNumber = head.classList.contains("num");
    const rows = [...body.rows].map(row => {
      const text = row.cells[column].textContent;
      return [row, isNumber ? (text === "" ? NaN : Number(row.cells[column].dataset.number ?? text)) : text];
    });
    const known = ([, value]) => isNumber ? !Number.isNaN(value) : value !== "";
    const inOrder = (a, b) => known(b) - known(a) ||
      (known(a) ? sign * (isNumber ? a[1] - b[1] : a[1].localeCompare(b[1], "en", {numeric: true})) : 0);
    body.append(...rows.sort(inOrder).map(([row]) => row));
  }));
}
const tip = document.getElementById("tip");
for (const svg of document.querySelectorAll(".plot > svg")) {
  const dots = [...svg.querySelectorAll(".dot")].map(dot => {
    const title = dot.querySelector("title");
    const text = title ? title.textContent : "";
    if (title) title.remove();
    return [dot, text];
  });
  if (!dots.length) continue;
  let near = null;
  const leave = () => { if (near) near[0].classList.remove("near"); near = null; tip.hidden = true; };
  const show = event => {
    let best = null, least = 24 * 24;
    for (const entry of dots) {
      const box = entry[0].getBoundingClientRect();
      const x = box.left + box.width / 2 - event.clientX, y = box.top + box.height / 2 - event.clientY;
      if (x * x + y * y < least) { least = x * x + y * y; best = entry; }
    }
    if (best === near) return;
    leave();
    if (!best) return;
    near = best;
    near[0].classList.add("near");
    tip.textContent = near[1];
    tip.hidden = false;
    const at = near[0].getBoundingClientRect(), size = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(at.right + 10, innerWidth - size.width - 4)) + "px";
    tip.style.top = (at.top - size.height - 8 < 4 ? at.bottom + 8 : at.top - size.height - 8) + "px";
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", event => { if (event.pointerType !== "touch") leave(); });
  svg.addEventListener("click", event => {
    if (event.pointerType === "touch") return;
    const row = near && document.getElementById(near[0].dataset.target || "");
    if (!row) return;
    for (const other of document.querySelectorAll("tr.chosen")) other.classList.remove("chosen");
    row.classList.add("chosen");
    row.scrollIntoView({block: "center"});
  });
}
"""


def page(title: str, lead: str, sections: Sequence[str]) -> str:
    """Return a complete page. The script in it is the only one that browsers run, and nothing is fetched.

    Parameters
    ----------
    title, lead : str
        Heading of the page and the line below it, as text.
    sections : sequence of str
        HTML of :func:`section`; empty ones are left out.
    """
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode("utf-8")).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{safe(title)}</title>{style()}<style>{_STYLE}</style></head>"
        f'<body class="crlso"><header><h1>{safe(title)}</h1><p class="lead">{safe(lead)}</p></header>'
        f'<main>{"".join(sections)}</main><div id="tip" role="status" hidden></div>'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a part of the page under a heading; nothing if all parts are empty."""
    content = "".join(parts)
    return f"<section><h2>{safe(title)}</h2>{content}</section>" if content else ""


def sortable(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str], ids: Sequence[str] = ()
) -> str:
    """Return a table whose rows can be sorted by each column.

    Parameters
    ----------
    caption : str
        What the rows are.
    header : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        Text of the entries; empty ones are last in every order.
    texts : sequence of str
        Names of the columns that are sorted as text; the others are numbers.
    ids : sequence of str
        Id of each row, for what refers to it.
    """
    columns = list(zip(*rows)) if rows else [()] * len(header)
    is_long = [max(map(len, column), default=0) > _LONG for column in columns]
    kinds = [("long" if far else "text") if name in texts else "num" for name, far in zip(header, is_long)]
    head = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{safe(name[:_LONGEST])}</button></th>'
        for name, kind in zip(header, kinds)
    )
    lines = []
    for i, row in enumerate(rows):
        identity = f' id="{safe(ids[i])}"' if ids else ""
        cells = "".join(f'<td class="{kind}">{safe(text)}</td>' for text, kind in zip(row, kinds))
        lines.append(f"<tr{identity}>{cells}</tr>")
    return (
        f'<div class="tall" tabindex="0" role="region" aria-label="{safe(caption)}"><table class="sortable">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
