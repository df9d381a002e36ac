//! A drawing as a page: the picture, what a step says in full when it is chosen, and the same as text. One file that asks
//! no network for anything.

use super::drawing::Drawing;
use super::svg::{escaped, svg};
use super::text::text;
use super::words::one_line;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

pub fn page(drawing: &Drawing) -> String {
    let name = escaped(&one_line(&drawing.dockerfile));
    let (picture, text) = (svg(drawing), escaped(&text(drawing)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{name} · kiln graph</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <label class=\"fit\"><input type=\"checkbox\" id=\"fit\"> fit to the window</label>\n\
         <main>\n{picture}</main>\n\
         <aside id=\"chosen\" aria-live=\"polite\" hidden><button type=\"button\" aria-label=\"close\">×</button>\
         <pre></pre></aside>\n\
         <details><summary>The same as text</summary>\n<pre>{text}</pre>\n</details>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}
