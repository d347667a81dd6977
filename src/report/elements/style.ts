/** The page's looks, light and dark. */
export const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #40464d); --soft: light-dark(#f5f6f8, #22262a);
  --ink: light-dark(#1c2126, #e6e9ec); --quiet: light-dark(#5c6670, #9aa4ae); --main: light-dark(#2364aa, #6cb0ff); --warn: light-dark(#b3261e, #ff8a80); }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .3rem; margin-top: 2.5rem; }
h4 { margin: .2rem 0; font-size: .85rem; color: var(--quiet); font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.scores td, .scores th { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
.scores td:first-child, .scores th:first-child { text-align: left; }
.scores { display: block; overflow-x: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: .8rem; }
.plot { margin: 0; background: var(--soft); padding: .5rem; border-radius: .4rem; }
.plot figcaption { font-size: .85rem; color: var(--quiet); } .plot b { color: var(--ink); float: right; }
.plot polyline { fill: none; stroke: var(--main); stroke-width: 1.5; } .plot circle { fill: var(--main); }
.plot .axis { fill: none; stroke: var(--line); } .plot text { font-size: 9px; fill: var(--quiet); }
article { display: flex; gap: 1.2rem; margin: 1rem 0; align-items: flex-start; }
.example { flex: none; width: 11rem; font-size: .85rem; } .example .id { color: var(--quiet); margin: .2rem 0; }
.definitions { position: absolute; width: 0; height: 0; } .picture { width: 100%; height: auto; display: block; overflow: visible; }
.picture .truth, .picture .prediction { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.picture .truth { stroke: #00a36c; } .picture .prediction { stroke: #ff3b30; stroke-dasharray: 5 3; }
.rollouts { width: 100%; font-size: .85rem; } .rollouts td, .rollouts th { text-align: left; vertical-align: top; padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
.rollouts td:nth-child(3), .rollouts td:nth-child(4) { white-space: nowrap; }
.bar { display: inline-block; width: 3.5rem; height: .6rem; background: var(--line); border-radius: .2rem; overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--main); }
.distribution td { padding: 0 .4rem 0 0; }
code { font-size: .8rem; word-break: break-word; } mark { background: var(--warn); color: light-dark(#fff, #000); border-radius: .2rem; padding: 0 .15rem; }
.problem { color: var(--warn); margin: .2rem 0; font-size: .8rem; }
@media (max-width: 50rem) { article { flex-direction: column; } }
`;
