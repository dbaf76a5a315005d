"""The look of the report: light and dark, from a phone to paper."""

import re
from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b2130; --muted: #5b6475; --line: #dfe3ea;
  --accent: #2458c5; --heat: 36 88 197; --warn: #8a4b00; --warn-card: #fff5e3;
  --good: #136c3f; --bad: #b3261e;
  --series-1: #2458c5; --series-2: #c8501e; --series-3: #2f8a2f; --series-4: #8a3fb0;
  --series-5: #a87400; --series-6: #0d8fb3; --series-7: #c2326f; --series-8: #6b6f76;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1a1f28; --text: #e7eaf0; --muted: #a0a9b8; --line: #303846;
    --accent: #8db0ff; --heat: 110 155 255; --warn: #ffc978; --warn-card: #2e2515;
    --good: #6fd69d; --bad: #ff9a90;
    --series-1: #7ea6ff; --series-2: #ff9560; --series-3: #6fd36f; --series-4: #cf93f0;
    --series-5: #e8ba4d; --series-6: #58c7e4; --series-7: #ff86b5; --series-8: #aab0ba;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.015em; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 44px 0 12px; }
h3 { font-size: 1rem; margin: 24px 0 8px; }
h1, h2, h3, p, li, dd, figcaption { overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 76ch; }
ul { margin: 0 0 12px; padding-left: 1.25em; }
.facts { color: var(--muted); margin: 0; }
.whole { white-space: nowrap; }
.save { color: var(--accent); font-size: .8125rem; text-decoration: underline;
  text-underline-offset: 2px; white-space: nowrap; }
figure > .save { float: right; margin: 4px 0 0 12px; }
.command { display: block; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 14px; margin: 0 0 12px; font-size: .875rem; }
.muted, figcaption, small { color: var(--muted); }
small { font-size: .875em; }
.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px;
  margin: 24px 0;
}
.cards > div, figure, .scroll, details, .verdict {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
.cards > div { padding: 12px 14px; }
.cards dt { color: var(--muted); font-size: .875rem; line-height: 1.35; }
.cards dd { margin: 2px 0 0; }
.cards dd b {
  display: block; font-size: 1.4rem; line-height: 1.3; font-weight: 650;
  font-variant-numeric: tabular-nums;
}
.cards dd small { display: block; line-height: 1.4; }
.verdict { padding: 14px 18px; border-left: 4px solid var(--accent); }
.verdict.gain { border-left-color: var(--good); }
.verdict.loss { border-left-color: var(--bad); }
.verdict p:first-child { font-size: 1.08rem; font-weight: 600; }
.verdict > :last-child { margin-bottom: 0; }
header + .verdict { margin-top: 20px; }
.warn {
  background: var(--warn-card); color: var(--warn); border: 1px solid; border-radius: 10px;
  padding: 10px 16px; margin: 12px 0; max-width: none;
}
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 16px; }
.small-charts { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
figure { margin: 0; padding: 14px 16px 12px; min-width: 0; }
figure h3 { margin: 0 0 6px; }
figcaption { font-size: .875rem; line-height: 1.45; }
svg { display: block; width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
svg text { font-family: inherit; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0 2px; padding: 0;
  list-style: none; font-size: .875rem; }
.legend li { display: flex; align-items: center; gap: 7px; min-width: 0; }
.swatch { flex: none; border-radius: 2px; print-color-adjust: exact; }
.swatch.stroke { width: 32px; height: 3px; }
.swatch.filled { width: 11px; height: 11px; }
.scroll { overflow-x: auto; margin: 0 0 14px; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; max-width: 460px; overflow-wrap: break-word; }
tbody tr:last-child > *, tfoot tr > * { border-bottom: 0; }
thead th { color: var(--muted); font-weight: 600; font-size: .875rem; line-height: 1.35;
  vertical-align: bottom; }
tbody th { font-weight: 500; }
.named tbody th { min-width: 12em; }
tfoot tr > * { border-top: 2px solid var(--line); font-weight: 650; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
.heat { border-collapse: separate; border-spacing: 2px; width: auto; padding: 8px; }
.heat th, .heat td { border: 0; padding: 4px 6px; text-align: center; font-size: .8125rem; }
.heat td { min-width: 38px; border-radius: 5px; }
.heat tbody th { text-align: left; white-space: nowrap; padding-right: 12px; }
.heat thead th { max-width: 90px; vertical-align: bottom; }
.pictures { display: grid; gap: 12px; margin-bottom: 12px;
  grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); }
.pictures figure { padding: 8px; text-align: center; }
.pictures figure.drawn { grid-column: span 3; }
.pictures img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  border-radius: 5px; }
.pictures img.pixels { image-rendering: pixelated; }
.pictures figcaption { margin-top: 5px; color: var(--text); }
details { padding: 0 16px; margin: 0 0 14px; }
details[open] { padding-bottom: 2px; }
details .scroll { border: 0; margin: 0 -16px; border-top: 1px solid var(--line);
  border-radius: 0; }
summary { cursor: pointer; padding: 11px 0; font-weight: 600; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 560px) {
  main { padding: 20px 14px 40px; }
  h1 { font-size: 1.55rem; }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .cards dd b { font-size: 1.2rem; }
  figure { padding: 12px 8px 10px; }
  figure h3, figcaption, .legend { padding-left: 6px; padding-right: 6px; }
  th, td { padding: 6px 9px; }
}
@media print {
  :root { --page: #fff; }
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  figure, .cards > div, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
}
"""
# What the page's own colours are in the light.
LIGHT: Final = dict(re.findall(r"(--[a-z0-9-]+): ([^;]+);", STYLE[: STYLE.index("@media")]))
