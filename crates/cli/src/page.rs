//! Self-contained HTML pages: one file, no script, nothing fetched, light and dark.

use std::fmt::Write;

use crate::picture::EmbeddedImage;
use crate::plot::{Plot, escape};

/// What a section is made of. All text is plain; the page escapes it.
pub enum PageBlock {
    /// A paragraph.
    Text(String),
    /// Lines in a typewriter's face.
    Code(String),
    /// Figures with what they mean under them.
    Numbers(Vec<(String, String)>),
    /// A plot with a sentence under it.
    Figure(Plot, String),
    /// Pictures beside each other, each with its words, and a sentence under all.
    Pictures(Vec<(EmbeddedImage, String)>, String),
    /// An SVG document with a sentence under it.
    Drawing(String, String),
    /// A header and rows; the first column is aligned left, the others right.
    Table(Vec<String>, Vec<Vec<String>>),
    /// Another page, which lies beside this one under this name, and the words of the link to it.
    Beside { file: String, html: String, words: String },
    /// Texts side by side.
    Samples(Vec<GeneratedText>),
}

/// A text that was generated.
pub struct GeneratedText {
    /// Who wrote it.
    pub heading: String,
    /// What it was given.
    pub prompt: String,
    /// What it made of that.
    pub text: String,
}

/// A section of a page.
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What it comes to, in one line.
    pub line: String,
    /// Its content.
    pub blocks: Vec<PageBlock>,
}

/// The page's own words around its sections.
pub struct Page<'a> {
    /// The heading.
    pub title: &'a str,
    /// The line under the heading.
    pub subtitle: &'a str,
    /// A paragraph before the first section.
    pub opening: &'a str,
    /// The last line.
    pub footer: &'a str,
}

const STYLE: &str = include_str!("../assets/page.css");

/// The "hat" (Smith, Myers, Kaplan and Goodman-Strauss, 2023), the tile that covers the plane and never repeats, as points
/// (a, b) of the triangular lattice: x = a + b/2, y = √3/2·b.
const HAT: [(f64, f64); 13] = [
    (0.0, 0.0),
    (-1.0, -1.0),
    (0.0, -2.0),
    (2.0, -2.0),
    (2.0, -1.0),
    (4.0, -2.0),
    (5.0, -1.0),
    (4.0, 0.0),
    (3.0, 0.0),
    (2.0, 2.0),
    (0.0, 3.0),
    (0.0, 2.0),
    (-1.0, 2.0),
];

impl Page<'_> {
    /// The whole document.
    pub fn html(&self, sections: &[Section]) -> String {
        let (title, subtitle) = (escape(self.title), escape(self.subtitle));
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header>{}<div><h1>{title}</h1><p>{subtitle}</p></div></header>\n<nav>\n",
            hat()
        );
        for (i, section) in sections.iter().enumerate() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(html, "<a href=\"#s{}\">{}&ensp;{}</a>", i + 1, i + 1, escape(&section.title));
        }
        let _ = writeln!(html, "</nav>\n<p>{}</p>", escape(self.opening));
        for (i, section) in sections.iter().enumerate() {
            let _ = writeln!(html, "<section id=\"s{0}\">\n<h2><span>{0}</span>{1}</h2>", i + 1, escape(&section.title));
            let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(&section.line));
            section.blocks.iter().for_each(|b| block(b, &mut html));
            html.push_str("</section>\n");
        }
        let _ = writeln!(html, "<footer>{}</footer>\n</main>\n</body>\n</html>", escape(self.footer));
        html
    }
}

fn block(block: &PageBlock, html: &mut String) {
    let _ = match block {
        PageBlock::Text(text) => writeln!(html, "<p>{}</p>", escape(text)),
        PageBlock::Beside { file, words, .. } => {
            writeln!(html, "<p><a href=\"{}\">{}</a></p>", escape(file), escape(words))
        }
        PageBlock::Code(code) => writeln!(html, "<pre>{}</pre>", escape(code)),
        PageBlock::Figure(plot, caption) => {
            writeln!(html, "<figure>\n{}<figcaption>{}</figcaption></figure>", plot.svg(), escape(caption))
        }
        PageBlock::Pictures(pictures, caption) => {
            let each = |(picture, words): &(EmbeddedImage, String)| {
                let (EmbeddedImage { width, height, address }, words) = (picture, escape(words));
                format!(
                    "<div><img width=\"{width}\" height=\"{height}\" alt=\"{words}\" src=\"{address}\"><span>{words}</span></div>\n"
                )
            };
            let pictures: String = pictures.iter().map(each).collect();
            writeln!(
                html,
                "<figure>\n<div class=\"pictures\">\n{pictures}</div><figcaption>{}</figcaption></figure>",
                escape(caption)
            )
        }
        PageBlock::Drawing(svg, caption) => {
            writeln!(html, "<figure>\n{svg}<figcaption>{}</figcaption></figure>", escape(caption))
        }
        PageBlock::Numbers(numbers) => {
            let each = |(n, what): &(String, String)| format!("<div><b>{}</b><span>{}</span></div>", escape(n), escape(what));
            writeln!(html, "<div class=\"numbers\">{}</div>", numbers.iter().map(each).collect::<String>())
        }
        PageBlock::Table(header, rows) => {
            let cells = |tag: &str, row: &[String]| row.iter().map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect::<String>();
            let body: String = rows.iter().map(|r| format!("<tr>{}</tr>\n", cells("td", r))).collect();
            writeln!(html, "<div class=\"scroll\"><table>\n<tr>{}</tr>\n{body}</table></div>", cells("th", header))
        }
        PageBlock::Samples(samples) => {
            let each = |s: &GeneratedText| {
                let (heading, prompt, text) = (escape(&s.heading), escape(&s.prompt), escape(&s.text));
                format!("<div><h3>{heading}</h3><blockquote><b>{prompt}</b>{text}</blockquote></div>\n")
            };
            writeln!(html, "<div class=\"samples\">\n{}</div>", samples.iter().map(each).collect::<String>())
        }
    };
}

/// The tile as a drawing.
fn hat() -> String {
    let mut path = String::new();
    for (i, (a, b)) in HAT.iter().enumerate() {
        let _ = write!(path, "{}{:.3} {:.3}", if i == 0 { 'M' } else { 'L' }, a + b / 2.0, 3f64.sqrt() / 2.0 * b);
    }
    format!("<svg viewBox=\"-1.9 -2 6.7 5\" aria-hidden=\"true\"><path d=\"{path}Z\"/></svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_text_is_never_markup() {
        let page = Page { title: "t", subtitle: "", opening: "", footer: "" };
        let sample = GeneratedText { heading: "h".into(), prompt: "<b>".into(), text: "a & b".into() };
        let section = Section {
            title: "one".into(),
            line: "x < y".into(),
            blocks: vec![
                PageBlock::Samples(vec![sample]),
                PageBlock::Figure(Plot::default(), "c".into()),
                PageBlock::Pictures(vec![(EmbeddedImage::grey(1, &[0.5]), "a < b".into())], "d".into()),
                PageBlock::Drawing("<svg>e</svg>".into(), "f & g".into()),
            ],
        };
        let html = page.html(&[section]);
        assert!(html.contains("<span>a &lt; b</span>") && html.contains("src=\"data:image/png;base64,iVBOR"));
        assert!(html.contains("<svg>e</svg><figcaption>f &amp; g</figcaption>"));
        assert!(html.contains("x &lt; y") && html.contains("<b>&lt;b&gt;</b>a &amp; b"));
        let outside = html.replace("http://www.w3.org/2000/svg", "").replace("src=\"data:", "");
        assert!(!outside.contains("http") && !outside.contains("<script") && !outside.contains("src="), "nothing is fetched");
    }
}
