#include "tools/report/report_style.h"

namespace gemma {

// Colours: text on its ground has a contrast of 4.5 at least, marks 3. The seven hues differ in lightness
// too, for eyes that do not tell them apart.
Markup report_style() {
  return {R"(
:root{color-scheme:light dark;--ground:#fcfbf8;--ink:#1d1c1a;--quiet:#66625a;--rule:#e3dfd6;--axis:#8d887e;--alarm:#9c2f1d;--alarm-ground:#f8ece8;
--c0:#1f6b94;--c1:#c05a16;--c2:#37803f;--c3:#7d4a97;--c4:#94771a;--c5:#3a9a9a;--c6:#a63a5c}
@media (prefers-color-scheme:dark){:root{--ground:#171614;--ink:#ece8df;--quiet:#a8a297;--rule:#35322d;--axis:#7d786e;--alarm:#f0937f;--alarm-ground:#33211d;
--c0:#6ab7e0;--c1:#f09a5e;--c2:#7cc685;--c3:#c59ade;--c4:#d8bd62;--c5:#74d0d0;--c6:#ec88a8}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:break-word}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1,h2{font-family:Charter,"Bitstream Charter","Iowan Old Style",Georgia,"Noto Serif",serif;font-weight:600;line-height:1.2;text-wrap:balance}
h1{font-size:2rem;margin:0 0 .4rem}
h2{font-size:1.4rem;margin:3rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;font-weight:600;margin:0 0 .5rem}
p{max-width:42rem;margin:.5rem 0}
.facts{color:var(--quiet);margin:0 0 1.2rem}
.findings{max-width:42rem;padding-left:1.1rem;margin:1.2rem 0;font-size:1.05rem}
.findings li{margin:.3rem 0}
.warnings{background:var(--alarm-ground);border-left:3px solid var(--alarm);padding:.7rem 1rem .7rem 2rem;margin:1.2rem 0;list-style:square}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr));gap:2rem 2.5rem;margin:1.5rem 0}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{color:var(--quiet);font-size:.85rem;line-height:1.4;margin-top:.4rem}
svg{display:block;width:100%;max-width:32rem;height:auto;overflow:visible}
svg text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--ink);font-variant-numeric:tabular-nums;paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}
svg .quiet{fill:var(--quiet)}
svg .name{font-weight:600}
svg .axis-title,svg .better{fill:var(--quiet);font-size:12.5px}
svg .better{font-style:italic}
.grid{stroke:var(--rule)}
.axis{stroke:var(--axis)}
.leader{stroke:var(--axis);stroke-width:.75}
.frontier{fill:none;stroke:var(--axis);stroke-dasharray:3 3}
.error{stroke-width:1.5;opacity:.6}
.interval{stroke-width:3;opacity:.45}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.ring{fill:none;stroke-width:2}
.soft{opacity:.5}
.part{stroke:var(--ground);stroke-width:1}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}
.b0{background:var(--c0)}.b1{background:var(--c1)}.b2{background:var(--c2)}.b3{background:var(--c3)}.b4{background:var(--c4)}.b5{background:var(--c5)}.b6{background:var(--c6)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:0 0 .6rem;font-size:.85rem}
.legend i{display:inline-block;width:.75em;height:.75em;margin-right:.4em;border-radius:2px}
.key{columns:2;font-size:.85rem;padding-left:1.6rem;margin:.4rem 0}
.scroll{overflow-x:auto;margin:1rem 0;max-width:100%}
.scroll:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;line-height:1.35}
caption{text-align:left;color:var(--quiet);padding-bottom:.4rem}
caption span{display:inline-block;position:sticky;left:0;max-width:calc(100vw - 2rem)}
th,td{padding:.3rem .9rem .3rem 0;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--rule);white-space:nowrap}
thead th{color:var(--quiet);font-weight:400}
tbody th{font-weight:600}
.n{text-align:right}
pre{font:.8rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:0}
summary{cursor:pointer;color:var(--quiet)}
@media (max-width:30rem){main{padding:1.5rem 1rem 3rem}h1{font-size:1.6rem}.key{columns:1}}
@media print{:root{color-scheme:light}main{max-width:none}.scroll{overflow:visible}}
)"};
}

}  // namespace gemma
