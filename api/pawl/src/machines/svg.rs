//! A machine as an SVG picture, from the top down.

use std::collections::BTreeMap;

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::render::get_shape_size;
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;
use workflows::drawing;
use workflows::drawing::Marks;
use workflows::edges::{NONE, Row};

/// The size of all text, in pixels.
const FONT: usize = 14;
/// How round the corners of a status are, in pixels.
const ROUNDED: usize = 10;
const DOWN: Orientation = Orientation::TopToBottom;

/// The picture as a whole SVG document. The current status, those of the path, and its arrows have colours; the numbers before
/// an arrow's text are the steps of the path that take it.
pub(super) fn draw(rules: &[Row], marks: &Marks) -> String {
    let arrows = drawing::arrows(rules, marks);
    let ends = drawing::ends(&arrows);
    let mut graph = VisualGraph::new(DOWN);
    let mut places = BTreeMap::new();
    for name in arrows.iter().flat_map(|arrow| [arrow.from, arrow.to]) {
        places
            .entry(name)
            .or_insert_with(|| graph.add_node(status(name, marks, ends.contains(&name))));
    }
    for arrow in &arrows {
        let (Some(from), Some(to)) = (places.get(arrow.from), places.get(arrow.to)) else {
            continue;
        };
        let text = arrow.text("\n");
        let look = if arrow.steps.is_empty() {
            look("black", 1, None)
        } else {
            look("#0b5ed7", 3, None)
        };
        let (start, end) = (LineEndKind::None, LineEndKind::Arrow);
        let drawn = Arrow::new(
            start,
            end,
            LineStyleKind::Normal,
            &text,
            &look,
            &None,
            &None,
        );
        graph.add_edge(drawn, *from, *to);
    }
    let mut picture = SVGWriter::new();
    graph.do_it(false, false, false, &mut picture);
    picture.finalize()
}

fn status(name: &str, marks: &Marks, end: bool) -> Element {
    let look = if marks.current() == Some(name) {
        look("#b45309", 3, Some("#ffe08a"))
    } else if marks.path().contains(&name) {
        look("#0b5ed7", 3, Some("#cfe2ff"))
    } else if end {
        look("black", 3, Some("#eeeeee"))
    } else {
        look("black", 1, Some("white"))
    };
    let shape = if name == NONE {
        ShapeKind::new_circle("")
    } else {
        ShapeKind::new_box(name)
    };
    let size = get_shape_size(DOWN, &shape, FONT, name == NONE);
    Element::create(shape, look, DOWN, size)
}

fn look(line: &str, width: usize, fill: Option<&str>) -> StyleAttr {
    StyleAttr::new(
        Color::fast(line),
        width,
        fill.map(Color::fast),
        ROUNDED,
        FONT,
    )
}
