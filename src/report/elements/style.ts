/** The page's looks, light and dark, on paper and on a phone. */
export const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #40464d); --soft: light-dark(#f5f6f8, #22262a);
  --ink: light-dark(#1c2126, #e6e9ec); --quiet: light-dark(#545e68, #a3adb7); --main: light-dark(#2364aa, #6cb0ff); --warn: light-dark(#b3261e, #ff8a80);
  --truth: light-dark(#00815a, #2bd39b); --predicted: light-dark(#d32f2f, #ff6b61); }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #16191c); margin: 2rem auto; max-width: 76rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2, h3, h4, p, td, th, dd, dt, li, figcaption { unicode-bidi: isolate; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .3rem; margin-top: 2.5rem; }
h4, .body h3 { margin: .5rem 0 .2rem; font-size: .85rem; color: var(--quiet); font-weight: 600; }
a { color: var(--main); } nav ol { display: flex; flex-wrap: wrap; gap: .2rem 1.5rem; padding: 0 0 0 1.2rem; font-size: .9rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; flex: 1; min-width: 0; }
.scores td, .scores th { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); overflow-wrap: normal; max-width: 20rem; }
.scores td:first-child, .scores th:first-child { text-align: left; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr)); gap: .8rem; }
.plot { margin: 0; background: var(--soft); padding: .5rem; border-radius: .4rem; break-inside: avoid; }
.plot figcaption { font-size: .85rem; color: var(--quiet); } .plot b { color: var(--ink); float: right; } .plot .key { display: block; overflow: hidden; }
.plot polyline { fill: none; stroke: var(--c, var(--main)); stroke-width: 1.5; } .plot circle { fill: var(--c, var(--main)); } .plot .band { fill: var(--c, var(--main)); opacity: .16; }
.plot .axis, .histogram .axis { fill: none; stroke: var(--line); } .plot text { font-size: 9px; fill: var(--quiet); }
.plot .cursor { stroke: var(--quiet); stroke-dasharray: 2 2; } .plot output { display: block; min-height: 1.3em; font-size: .8rem; }
.key { border-left: .8rem solid var(--c); padding-left: .4rem; margin-top: .15rem; }
.s0 { --c: var(--main); } .s1 { --c: light-dark(#b35c00, #ffb45e); } .s2 { --c: light-dark(#00815a, #2bd39b); } .s3 { --c: light-dark(#8e24aa, #d99bea); } .s4 { --c: light-dark(#c2185b, #ff8fb8); } .s5 { --c: var(--quiet); }
.s1 polyline { stroke-dasharray: 6 2; } .s2 polyline { stroke-dasharray: 2 2; } .s3 polyline { stroke-dasharray: 8 2 2 2; } .s4 polyline { stroke-dasharray: 1 3; } .s5 polyline { stroke-dasharray: 12 3; }
article { display: flex; gap: 1.2rem; margin: 1rem 0; align-items: flex-start; break-inside: avoid; } .body { flex: 1; min-width: 0; }
#cards article { content-visibility: auto; contain-intrinsic-size: auto 15rem; }
.example { flex: none; width: 12rem; max-width: 100%; font-size: .85rem; } .example .id { color: var(--quiet); margin: .2rem 0; } .example p { margin: .2rem 0; }
.definitions { position: absolute; width: 0; height: 0; } .picture { width: 100%; max-height: 40rem; display: block; }
.picture .truth, .picture .prediction, .legend rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.picture .truth, .legend .truth { stroke: #00a36c; } .picture .prediction, .legend .prediction { stroke: #ff3b30; stroke-dasharray: 5 3; }
.picture text { fill: #fff; stroke: #b3261e; stroke-width: .35em; paint-order: stroke; font-weight: 700; }
.legend { font-size: .8rem; color: var(--quiet); } .legend svg { width: 1.5rem; height: .7rem; margin-left: .6rem; }
section:not(:has(.picture .truth, .bars .truth)) .of-truth, section:not(:has(.picture .prediction, .bars .prediction)) .of-prediction, section:not(:has(.picture :is(.truth, .prediction))) .of-shapes, section:not(:has(.picture text)) .of-iou { display: none; }
.rollouts { width: 100%; font-size: .85rem; } .rollouts td, .rollouts th { text-align: left; vertical-align: top; padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
.rollouts th, .rollouts td[data-label] { overflow-wrap: normal; white-space: nowrap; }
.bar, .bars { background: var(--line); } .bar { width: 3.5rem; height: .6rem; border-radius: .2rem; } .bars { width: 3.5rem; height: 1.1rem; display: block; }
.main { fill: var(--main); } .bars .truth { fill: var(--truth); } .bars .prediction { fill: var(--predicted); }
.distribution td, .distribution th { padding: .05rem .4rem .05rem 0; text-align: left; font-weight: 400; overflow-wrap: normal; } .distribution thead { color: var(--quiet); font-size: .75rem; }
.written { white-space: pre-wrap; contain: paint; unicode-bidi: isolate; } .written details { margin-top: .3rem; } .earned { margin: .2rem 0; font-size: .85rem; }
code { font-size: .8rem; } mark { background: var(--warn); color: light-dark(#fff, #000); border-radius: .2rem; padding: 0 .15rem; }
.control { font: .75em ui-monospace, monospace; border: 1px solid var(--quiet); border-radius: .2rem; padding: 0 .15rem; }
.problem { color: var(--warn); margin: .2rem 0; font-size: .8rem; } .note { color: var(--quiet); font-size: .85rem; }
summary { cursor: pointer; color: var(--main); } dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .1rem 1rem; font-size: .85rem; } dt { color: var(--quiet); } dd { margin: 0; }
form { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; font-size: .85rem; background: var(--soft); padding: .6rem; border-radius: .4rem; } form[hidden] { display: none; }
fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .6rem; } legend { float: left; padding: 0 .6rem 0 0; }
input, select, button { font: inherit; color: inherit; background: light-dark(#fff, #16191c); border: 1px solid var(--quiet); border-radius: .25rem; padding: .15rem .4rem; max-width: 100%; }
label { min-width: 0; } select { max-width: 14rem; } input[type=number] { width: 5.5rem; } .threshold input[type=range] { flex: 1; min-width: 8rem; padding: 0; } button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--main); outline-offset: 2px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 0 1.5rem; } .cards .example { width: 9rem; }
.histogram { width: 100%; height: 7rem; display: block; } .ends { display: flex; justify-content: space-between; margin: 0 0 1rem; font-size: .75rem; color: var(--quiet); } .histogram .out { opacity: .3; } .histogram .tau { stroke: var(--warn); stroke-width: 2; fill: none; vector-effect: non-scaling-stroke; }
dialog { border: 1px solid var(--line); border-radius: .5rem; color: inherit; background: light-dark(#fff, #16191c); width: min(90vw, 60rem); } dialog .picture { max-height: 75vh; }
.picture[tabindex] { cursor: zoom-in; }
@media screen and (max-width: 50rem) { article { flex-direction: column; align-items: stretch; } .cards article { flex-direction: row; } article > .wide { width: 100%; } dl { grid-template-columns: 1fr; }
  .rollouts, .rollouts tbody, .rollouts tr, .rollouts td { display: block; } .rollouts thead { display: none; } .rollouts td { border: 0; padding: .15rem 0; } .rollouts tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .rollouts td[data-label]:not(:empty)::before { content: attr(data-label) " "; color: var(--quiet); } }
@media print { :root { color-scheme: light; } body { max-width: none; margin: 0; } form, button, nav, summary { display: none; }
  mark, .bar, .bars, svg, .key, .plot { print-color-adjust: exact; -webkit-print-color-adjust: exact; } mark { text-decoration: underline; } .bar, .bars { outline: 1px solid var(--line); }
  #cards article { content-visibility: visible; } h2, h3, h4 { break-after: avoid; } tr { break-inside: avoid; } }
`;
