//! Draws a [`Chart`] as SVG: throughput above, p99 below, a line a side.

use std::path::Path;

use plotters::prelude::*;

use super::measure::{Chart, Point};
use crate::error::LoadError;

const SIZE: (u32, u32) = (800, 720);
/// Of the lines, in their order.
const COLOURS: [RGBColor; 4] = [
    RGBColor(200, 60, 40),
    RGBColor(30, 90, 180),
    RGBColor(40, 140, 70),
    RGBColor(120, 80, 160),
];

type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

/// Draws it into a file.
pub(super) fn draw(path: &Path, chart: &Chart) -> Result<(), LoadError> {
    let drawn = svg(chart).map_err(|error| LoadError::Target(format!("cannot draw {}: {error}", path.display())))?;
    std::fs::write(path, drawn).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

fn svg(chart: &Chart) -> Drawn<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (above, below) = area.split_vertically(SIZE.1 / 2);
        panel(&above, chart, "creates a second", |point| point.per_second)?;
        panel(&below, chart, "p99, ms", |point| point.p99_ms)?;
        area.present()?;
    }
    Ok(text)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    chart: &Chart,
    what: &str,
    y: fn(&Point) -> f64,
) -> Drawn<()> {
    let points = || chart.curves.iter().flat_map(|curve| &curve.points);
    let least_x = points().map(|point| point.x).fold(f64::INFINITY, f64::min);
    let most_x = points().map(|point| point.x).fold(1.0, f64::max);
    let most_y = points().map(y).fold(0.0, f64::max).max(1e-3) * 1.1;
    let mut context = ChartBuilder::on(area)
        .margin(12)
        .caption(format!("{what} over {}", chart.over), ("sans-serif", 18))
        .x_label_area_size(34)
        .y_label_area_size(70)
        .build_cartesian_2d((least_x.min(most_x)..most_x * 1.02).log_scale(), 0.0..most_y)?;
    context
        .configure_mesh()
        .x_desc(&chart.over)
        .y_desc(what)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in chart.curves.iter().zip(COLOURS.into_iter().cycle()) {
        let line = curve.points.iter().map(|point| (point.x, y(point)));
        context
            .draw_series(LineSeries::new(line, colour.stroke_width(2)).point_size(3))?
            .label(&curve.side)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    context
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::measure::Curve;

    #[test]
    fn a_picture_shows_each_side() {
        let curve = |side: &str, per_second| Curve {
            side: side.to_owned(),
            points: [1.0, 8.0, 64.0]
                .map(|x| Point {
                    x,
                    per_second: per_second * x,
                    p99_ms: x / 2.0,
                })
                .into(),
        };
        let chart = Chart {
            name: "in-flight".to_owned(),
            over: "calls in flight".to_owned(),
            curves: vec![curve("usual way", 10.0), curve("ours", 100.0)],
        };
        let text = svg(&chart).expect("it can be drawn");
        assert!(
            text.starts_with("<svg") && text.contains("usual way") && text.contains("ours"),
            "{text}"
        );
        assert_eq!(text.matches("<polyline").count() % 2, 0);
    }
}
