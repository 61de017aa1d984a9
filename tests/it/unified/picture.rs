//! Draws a run as SVG: what each part has sent, when, and by which ids it is joined.
//!
//! The picture is made of the run alone, so that the same run always gives the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::run::Run;

/// A line of the picture: the row, how deep it lies in the tree of causes, what it is, and the
/// fields that are shown.
struct Line {
    row: &'static str,
    depth: u32,
    what: &'static str,
    fields: &'static [&'static str],
}

/// Lines that one part has sent, and the fields in which this part has the trace's id.
struct Part {
    title: &'static str,
    way: &'static str,
    trace: (&'static str, &'static [&'static str]),
    lines: &'static [Line],
}

const PARTS: [Part; 3] = [
    Part {
        title: "The app",
        way: "Throughline, to Datadog’s intakes",
        trace: ("resource", &["/_dd/trace_id"]),
        lines: &[
            Line { row: "tap", depth: 0, what: "RUM action", fields: &["/action/id", "/context/span_id"] },
            Line {
                row: "operation",
                depth: 1,
                what: "span",
                fields: &["/span_id", "/parent_id", "/meta/rum.action.id"],
            },
            Line {
                row: "mutation",
                depth: 2,
                what: "RUM action: a change of state",
                fields: &["/context/span_id", "/context/rum.action.id"],
            },
            Line {
                row: "resource",
                depth: 2,
                what: "RUM resource",
                fields: &["/_dd/span_id", "/_dd/parent_span_id", "/action/id/0", "/session/id"],
            },
            Line { row: "app log", depth: 2, what: "log", fields: &["/dd.span_id", "/user_action.id", "/session_id"] },
        ],
    },
    Part {
        title: "The service",
        way: "Sanic under ddtrace, to Datadog’s Agent",
        trace: ("request", &["/meta/_dd.p.tid", "/trace_id"]),
        lines: &[
            Line {
                row: "request",
                depth: 0,
                what: "span",
                fields: &["/span_id", "/parent_id", "/meta/baggage.session.id"],
            },
            Line { row: "work", depth: 1, what: "span", fields: &["/span_id", "/parent_id", "/meta/usr.id"] },
            Line { row: "database", depth: 2, what: "span", fields: &["/span_id", "/parent_id"] },
            Line { row: "analytics", depth: 2, what: "span", fields: &["/span_id", "/parent_id"] },
        ],
    },
    Part {
        title: "One store",
        way: "what both have sent, by the rules of Fluentd",
        trace: ("service log", &["/trace_id"]),
        lines: &[
            Line {
                row: "service log",
                depth: 0,
                what: "the service’s log, a line of JSON",
                fields: &["/app.dd.span_id", "/session.id", "/app.usr.id"],
            },
            Line {
                row: "stored request",
                depth: 0,
                what: "the app’s request",
                fields: &["/span_id", "/parent_span_id", "/rum.action.id", "/session.id"],
            },
        ],
    },
];

/// What the request carries from the first part to the second, and what links the line of the log.
const BETWEEN: [&str; 2] = [
    "POST /api/profile   x-datadog-trace-id, x-datadog-parent-id, x-datadog-tags, baggage",
    "Standard output   dd.trace_id, dd.span_id, session.id, usr.id",
];

const WIDTH: f64 = 1000.0;
/// Where the time begins and ends.
const TIME: (f64, f64) = (300.0, 968.0);
const HEAD: f64 = 78.0;
const PART_HEAD: f64 = 44.0;
const LINE: f64 = 48.0;
const GAP: f64 = 34.0;
/// The width of a sign of the small fixed font.
const SIGN: f64 = 6.2;

/// Colours that go with the surroundings. The second set is for dark ones.
const STYLE: &str = "
svg { --page: #ffffff; --part: #f6f8fa; --edge: #d1d9e0; --text: #1f2328; --soft: #59636e; --bar: #8c959f;
  --a: #6639ba; --b: #9a6700; --c: #1a7f37; --d: #bc2c7a; --e: #0a6e7f; --f: #0a58ca; --g: #b3400f; --h: #57606a }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --part: #161b22; --edge: #3d444d; --text: #f0f6fc; --soft: #9198a1; --bar: #6e7681;
    --a: #b48ef5; --b: #d9a62e; --c: #4cc261; --d: #f778ba; --e: #4fc3d4; --f: #6cb0ff; --g: #f0883e; --h: #a5aeb8 }
}
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--text) }
.title { font-size: 17px; font-weight: 600 } .name { font-weight: 600 } .soft { fill: var(--soft); font-size: 11.5px }
.id, .id tspan { font: 10.5px ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace }
.id { fill: var(--soft) } .end { text-anchor: end } .middle { text-anchor: middle } .on { fill: var(--page) }
.page { fill: var(--page); stroke: var(--edge) } .part { fill: var(--part); stroke: var(--edge) }
.grid { stroke: var(--edge); stroke-dasharray: 2 4 } .tree { stroke: var(--bar); fill: none }
.a { --own: var(--a) } .b { --own: var(--b) } .c { --own: var(--c) } .d { --own: var(--d) }
.e { --own: var(--e) } .f { --own: var(--f) } .g { --own: var(--g) } .h { --own: var(--h) }
.bar { fill: var(--own) } .chip { fill: var(--own); fill-opacity: 0.14; stroke: var(--own); stroke-opacity: 0.55 }
.value { fill: var(--own) }
";

/// Letters for the ids that are shown more than once; `h` for the others.
fn colours(run: &Run) -> BTreeMap<String, char> {
    let shown =
        PARTS.iter().flat_map(|part| part.lines).flat_map(|line| line.fields.iter().map(|field| (line.row, *field)));
    let values: Vec<String> = shown.map(|field| run.value(field).unwrap()).collect();
    let mut letters = "abcdefg".chars();
    let mut colours = BTreeMap::new();
    for value in &values {
        let is_shared = values.iter().filter(|other| *other == value).count() > 1;
        if is_shared && !colours.contains_key(value) {
            colours.insert(value.clone(), letters.next().unwrap_or('h'));
        }
    }
    colours
}

/// The beginning and the end of a long id.
fn short(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    if signs.len() <= 10 {
        return text.to_owned();
    }
    signs[..4].iter().chain(&['…']).chain(&signs[signs.len() - 4..]).collect()
}

fn plain(json: &serde_json::Value) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// A field's path, as a reader of the records writes it.
fn dotted(path: &str) -> String {
    path.trim_start_matches('/').trim_end_matches("/0").replace('/', ".")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn time(nanos: u64) -> String {
    let ms = nanos as f64 / 1e6;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// What is drawn so far.
struct Drawing<'r> {
    run: &'r Run,
    svg: String,
    colours: BTreeMap<String, char>,
    /// Pixels of a nanosecond.
    scale: f64,
}

impl Drawing<'_> {
    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let _ = writeln!(self.svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escaped(text));
    }

    /// A text in the fixed font, which takes this width in whichever font there is. Returns where
    /// it ends.
    fn fixed(&mut self, class: &str, x: f64, y: f64, text: &str) -> f64 {
        let width = text.chars().count() as f64 * SIGN;
        let _ = writeln!(
            self.svg,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" textLength="{width:.1}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">{}</text>"#,
            escaped(text)
        );
        x + width
    }

    fn colour(&self, field: (&str, &str)) -> char {
        let value = self.run.value(field).unwrap();
        self.colours.get(&value).copied().unwrap_or('h')
    }

    /// A field's name with its value, in the colour of what it names.
    fn field(&mut self, row: &str, path: &str, x: f64, y: f64) -> f64 {
        let colour = self.colour((row, path));
        let x = self.fixed("id", x, y, &dotted(path)) + 5.0;
        let value = short(&plain(self.run.field((row, path))));
        let width = value.chars().count() as f64 * SIGN + 10.0;
        let _ = writeln!(
            self.svg,
            r#"<rect class="chip {colour}" x="{x:.1}" y="{:.1}" width="{width:.1}" height="16" rx="8"/>"#,
            y - 12.0
        );
        self.fixed(&format!("id value {colour}"), x + 5.0, y, &value);
        x + width + 12.0
    }

    /// A bar for what lasts, a mark for what does not, and how long or when that was.
    fn bar(&mut self, line: &Line, y: f64) {
        let sent = self.run.sent(line.row);
        let colour = self.colour((line.row, line.fields[0]));
        let x = TIME.0 + sent.start as f64 * self.scale;
        let (label, end) = match sent.took {
            Some(took) => {
                let width = (took as f64 * self.scale).max(2.0);
                let _ = writeln!(
                    self.svg,
                    r#"<rect class="bar {colour}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="14" rx="3"/>"#
                );
                (time(took), x + width)
            }
            None => {
                let _ = writeln!(self.svg, r#"<path class="bar {colour}" d="M{x:.1} {y:.1}l7 7l-7 7l-7 -7z"/>"#);
                // RUM has milliseconds.
                let after =
                    if sent.start < 1_000_000 { "at once".to_owned() } else { format!("after {}", time(sent.start)) };
                (after, x + 7.0)
            }
        };
        let room = label.chars().count() as f64 * 6.5 + 12.0;
        if end + room <= TIME.1 {
            self.text("soft", end + 6.0, y + 11.0, &label);
        } else if sent.took.is_some() && end - x >= room {
            self.text("soft on end", end - 6.0, y + 11.0, &label);
        } else {
            self.text("soft end", x - 10.0, y + 11.0, &label);
        }
    }

    fn part(&mut self, part: &Part, top: f64) -> f64 {
        let height = PART_HEAD + part.lines.len() as f64 * LINE + 4.0;
        let _ = writeln!(
            self.svg,
            r#"<rect class="part" x="16" y="{top:.1}" width="{:.1}" height="{height:.1}" rx="10"/>"#,
            WIDTH - 32.0
        );
        self.grid(top + PART_HEAD - 12.0, top + height - 6.0);
        self.text("name", 32.0, top + 24.0, part.title);
        self.text("soft", TIME.0, top + 23.0, part.way);
        let (row, fields) = part.trace;
        let trace: Vec<String> =
            fields.iter().map(|field| format!("{} {}", dotted(field), plain(self.run.field((row, field))))).collect();
        let trace = trace.join(" + ");
        self.fixed("id", TIME.1 - trace.chars().count() as f64 * SIGN, top + 23.0, &trace);
        let mut tops: Vec<f64> = Vec::new();
        for (at, line) in part.lines.iter().enumerate() {
            let y = top + PART_HEAD + at as f64 * LINE;
            let x = 32.0 + f64::from(line.depth) * 18.0;
            if line.depth > 0 {
                let parent = (0..at).rev().find(|other| part.lines[*other].depth < line.depth).unwrap();
                let (from, knee) = (tops[parent] + 34.0, x - 11.0);
                let _ = writeln!(self.svg, r#"<path class="tree" d="M{knee:.1} {from:.1}V{:.1}h8"/>"#, y + 9.0);
            }
            tops.push(y);
            let title = self.run.sent(line.row).title.clone();
            self.text("name", x, y + 13.0, &title);
            self.text("soft", x, y + 29.0, line.what);
            self.bar(line, y);
            let mut x = TIME.0;
            for field in line.fields {
                x = self.field(line.row, field, x, y + 31.0);
            }
        }
        top + height
    }

    fn grid(&mut self, from: f64, to: f64) {
        for tick in self.ticks() {
            let x = TIME.0 + tick as f64 * self.scale;
            let _ = writeln!(self.svg, r#"<path class="grid" d="M{x:.1} {from:.1}V{to:.1}"/>"#);
        }
    }

    /// Round times, at most nine of them.
    fn ticks(&self) -> Vec<u64> {
        let whole = ((TIME.1 - TIME.0) / self.scale) as u64;
        let steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000].map(|ms| ms * 1_000_000);
        let step = steps.into_iter().find(|step| whole / step < 9).unwrap_or(whole);
        (0..=whole / step).map(|n| n * step).collect()
    }
}

/// The picture of a run.
pub fn draw(run: &Run) -> String {
    let lines = || PARTS.iter().flat_map(|part| part.lines);
    let ends = lines().map(|line| run.sent(line.row)).map(|sent| sent.start + sent.took.unwrap_or(0));
    let scale = (TIME.1 - TIME.0) / ends.max().unwrap() as f64;
    let mut drawing = Drawing { run, svg: String::new(), colours: colours(run), scale };
    let parts = PARTS.len() as f64;
    let height = HEAD + parts * (PART_HEAD + 4.0) + lines().count() as f64 * LINE + (parts - 1.0) * GAP + 16.0;
    let trace = run.value(("tap", "/context/trace_id")).unwrap();
    let _ = writeln!(
        drawing.svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title text\">\n\
         <title id=\"title\">One tap, from the app to the service’s log</title>\n\
         <desc id=\"text\">A tap causes an operation, a change of state and a request. The service’s spans and its log \
         line belong to the same trace.</desc>\n<style>{STYLE}</style>"
    );
    let _ = writeln!(
        drawing.svg,
        r#"<rect class="page" x="0.5" y="0.5" width="{}" height="{}" rx="12"/>"#,
        WIDTH - 1.0,
        height - 1.0
    );
    drawing.text("title", 32.0, 34.0, "One tap, one trace");
    drawing.fixed("id", TIME.0, 33.0, &trace);
    drawing.text("soft end", TIME.1, 33.0, "Equal colours are equal ids, in hex or in decimal");
    for tick in drawing.ticks() {
        let x = TIME.0 + tick as f64 * scale;
        let class = if tick == 0 { "soft" } else { "soft middle" };
        drawing.text(class, x, HEAD - 10.0, &time(tick).replace(".0", ""));
    }
    let mut top = HEAD;
    for (at, part) in PARTS.iter().enumerate() {
        let end = drawing.part(part, top);
        if let Some(between) = BETWEEN.get(at) {
            let y = end + GAP / 2.0;
            let _ = writeln!(
                drawing.svg,
                r#"<path class="tree" d="M{x:.1} {end:.1}V{:.1}m-4 -5l4 5l4 -5"/>"#,
                end + GAP,
                x = TIME.0 - 14.0
            );
            drawing.fixed("id", TIME.0, y + 4.0, between);
        }
        top = end + GAP;
    }
    drawing.svg.push_str("</svg>\n");
    drawing.svg
}
