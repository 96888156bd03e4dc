# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet of the report: light or dark, as the reader's browser prefers."""

STYLE = """
:root {
  --paper: #f5f6f8; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #e1e5ea;
  --good: #1a7f4b; --good-soft: #e2f4ea; --warn: #8a5a00; --warn-soft: #fdf0d5;
  --bad: #b3261e; --bad-soft: #fce4e2; --idle: #5b6675; --idle-soft: #eceff3; --link: #1457b8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1a2029; --ink: #e7ebf0; --soft: #9aa6b5; --line: #2b3440;
    --good: #63d297; --good-soft: #163325; --warn: #f0bf5f; --warn-soft: #3a2d10;
    --bad: #ff8b82; --bad-soft: #43201e; --idle: #9aa6b5; --idle-soft: #28303b; --link: #86b4ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 78rem; padding: 2rem 1.25rem 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0; }
header > p { color: var(--soft); margin: .25rem 0 0; overflow-wrap: anywhere; }
header > .banner {
  color: var(--ink); margin-top: 1.25rem; padding: .8rem 1rem; border-radius: .6rem;
  border-left: .3rem solid;
}
.banner.good { background: var(--good-soft); border-color: var(--good); }
.banner.warn { background: var(--warn-soft); border-color: var(--warn); }
.banner.bad { background: var(--bad-soft); border-color: var(--bad); }
.banner .chip { background: none; padding-left: 0; }
.numbers {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0;
}
.numbers div, .card {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
}
.numbers div { padding: .7rem 1rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.card { margin: .75rem 0; padding: 1rem 1.1rem; }
.wide { overflow-x: auto; }
.wide:focus-visible, a:focus-visible, summary:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; border-radius: .2rem;
}
table { border-collapse: collapse; width: 100%; }
caption { caption-side: top; text-align: left; color: var(--soft); padding: .25rem 0 .5rem; }
th, td {
  text-align: left; vertical-align: top; padding: .55rem .75rem .55rem 0;
  border-top: 1px solid var(--line); font-variant-numeric: tabular-nums;
}
thead th { border-top: 0; color: var(--soft); font-size: .82rem; font-weight: 600; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 8rem; max-width: 20rem; }
td time, th time { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.share { display: block; height: .25rem; margin-top: .3rem; background: var(--idle-soft);
  border-radius: .2rem; min-width: 4rem; }
.share span { display: block; height: 100%; background: var(--link); border-radius: .2rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.chip {
  display: inline-block; padding: .05rem .55rem; margin-right: .3rem; border-radius: 1rem;
  font-size: .85rem; font-weight: 600; white-space: nowrap;
}
.chip.good { color: var(--good); background: var(--good-soft); }
.chip.warn { color: var(--warn); background: var(--warn-soft); }
.chip.bad { color: var(--bad); background: var(--bad-soft); }
.chip.idle { color: var(--idle); background: var(--idle-soft); }
td ul { margin: .25rem 0 0; padding-left: 1.1rem; color: var(--soft); font-size: .88rem; }
.reason { margin: .25rem 0 0; color: var(--soft); font-size: .88rem; overflow-wrap: anywhere; }
.none, .id { color: var(--soft); }
.id, code { font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
svg { display: block; }
svg line { stroke: var(--line); }
rect.good { fill: var(--good); } rect.warn { fill: var(--warn); }
rect.bad { fill: var(--bad); } rect.idle { fill: var(--idle); }
summary { cursor: pointer; color: var(--soft); }
summary h2 { display: inline; color: var(--ink); margin-right: .5rem; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .85rem; margin-top: 1.5rem; }
@media print { body { background: none; } .card, .numbers div { break-inside: avoid; } }
"""
