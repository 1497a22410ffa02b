"""The published pages' style: quiet, light and dark, from a phone to a projector, and readable on paper."""

_COLOURS = ("red", "green", "yellow", "blue", "magenta", "cyan")
"""Of tracebacks; each is a variable of the style, for light and for dark."""

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --code: #f6f8fa;
  --link: #0757b8; --note: #fff8e6; --note-line: #9a6700;
  --red: #b3141e; --green: #116329; --yellow: #7a4d00; --blue: #0757b8; --magenta: #7a3bc4; --cyan: #17686b; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --soft: #9aa5b1; --line: #3d444d;
  --code: #161b22; --link: #6cb0ff; --note: #272111; --note-line: #d29922;
  --red: #ff8a82; --green: #56d364; --yellow: #e3b341; --blue: #79c0ff; --magenta: #d2a8ff; --cyan: #6fd6dc; } }
* { box-sizing: border-box; }
body { font: 1.0625rem/1.6 system-ui, sans-serif; background: var(--ground); color: var(--ink); margin: 0;
  overflow-wrap: break-word; }
main, nav, footer { max-width: 56rem; margin: 0 auto; padding: 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; padding-top: 1rem; }
footer { padding-bottom: 2rem; color: var(--soft); font-size: .875rem; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem; } h1 { font-size: 1.9rem; margin-top: 1rem; }
pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .875rem; }
p code, li code, td code { background: var(--code); border-radius: 4px; padding: .1em .3em; }
pre { margin: 0; line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid var(--line); }
.text_cell table, .rendered_html table { border-collapse: collapse; }
.text_cell th, .text_cell td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: left; }
.output td, .output th { padding: .1rem .6rem .1rem 0; }
.text_cell_render { overflow-x: auto; }
.prompt { color: var(--soft); font: .75rem/1.4 ui-monospace, monospace; margin: .9rem 0 .2rem; }
.text_cell > .prompt, .output_area > .prompt:empty { display: none; }
.output_area > .prompt { margin-top: .5rem; }
.input_area { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.text_cell .highlight { background: var(--code); border-radius: 8px; padding: .6rem .8rem; }
.output { padding: .5rem 0 .5rem .8rem; border-left: 3px solid var(--line); margin: .4rem 0 1rem; }
.output:empty { display: none; }
.output_subarea { overflow-x: auto; }
.output_stderr { border-left: 3px solid var(--note-line); padding-left: .6rem; }
.was-alive { background: var(--note); border-left: 4px solid var(--note-line); border-radius: 0 8px 8px 0; margin: 0;
  padding: .6rem .9rem; }
.lessons { padding: 0; list-style-position: inside; }
.lessons li { border-top: 1px solid var(--line); padding: .8rem 0; }
.lessons h2 { display: inline; font-size: 1.15rem; } .lessons p { margin: .3rem 0 0; } .time { color: var(--soft); }
.ansi-bold { font-weight: 700; } .ansi-italic { font-style: italic; } .ansi-underline { text-decoration: underline; }
@media (max-width: 40rem) {
  .output img[src^="data:image/svg"], .output svg[role="img"] { min-width: 36rem; }
}
@media print { nav { display: none; } .input_area, .output { break-inside: avoid; } }
"""

STYLE = _STYLE + "\n".join(
    f".ansi-{name}-fg, .ansi-{name}-intense-fg {{ color: var(--{name}); }}" for name in _COLOURS
)
"""The style sheet of every page."""
