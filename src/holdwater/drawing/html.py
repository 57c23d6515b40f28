"""A self-contained HTML page around a drawing."""

from __future__ import annotations

from html import escape

from holdwater.drawing.colours import Theme, page_colours

_SCRIPT = """
const svg=document.querySelector('svg'),box=svg.viewBox.baseVal,all=[box.x,box.y,box.width,box.height];
svg.removeAttribute('width');svg.removeAttribute('height');
const unit=()=>Math.max(box.width/svg.clientWidth,box.height/svg.clientHeight);
const fit=()=>{[box.x,box.y,box.width,box.height]=all;
 if(unit()<.7){const k=.7/unit();box.x-=box.width*(k-1)/2;box.width*=k;box.height*=k}};
svg.addEventListener('wheel',e=>{e.preventDefault();const k=Math.exp(e.deltaY*.0015),p=new DOMPoint(e.clientX,e.clientY)
 .matrixTransform(svg.getScreenCTM().inverse());box.x=p.x-(p.x-box.x)*k;box.y=p.y-(p.y-box.y)*k;
 box.width*=k;box.height*=k},{passive:false});
svg.addEventListener('pointermove',e=>{if(e.buttons&1){const k=unit();box.x-=e.movementX*k;box.y-=e.movementY*k}});
svg.addEventListener('dblclick',fit);fit();
"""


def render_page(title: str, svg: str, theme: Theme = "auto") -> str:
    """Render a page that fits the drawing into the window; wheel: zoom, drag: move, double click: fit again."""
    day, night = page_colours(theme)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>'
        f"html,body{{margin:0;height:100%;background:{day}}}svg{{display:block;width:100%;height:100vh;cursor:grab;"
        f"user-select:none}}@media(prefers-color-scheme:dark){{html,body{{background:{night}}}}}</style></head>"
        f"<body>{svg}<script>{_SCRIPT}</script></body></html>"
    )
