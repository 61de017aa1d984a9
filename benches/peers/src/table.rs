//! The rows, their goals, and the two forms in which they are written: a table and JSON.

/// The goal of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
}

impl Row {
    fn ok(&self) -> bool {
        match self.goal {
            Goal::None => true,
            Goal::AtMost(limit) => self.value <= limit,
            Goal::AtLeast(limit) => self.value >= limit,
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::None => String::new(),
            Goal::AtMost(limit) => format!("<= {}", short(limit)),
            Goal::AtLeast(limit) => format!(">= {}", short(limit)),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: Goal) {
        let name = name.into();
        eprintln!("  {name} {value:.2} {unit}");
        self.0.push(Row { name, value, unit, goal });
    }

    pub(crate) fn print(&self) {
        println!("{:<40} {:>14} {:<7} {:>14}  ok", "figure", "value", "unit", "goal");
        for row in &self.0 {
            let mark = if row.ok() { "yes" } else { "NO" };
            let mark = if row.goal().is_empty() { "" } else { mark };
            println!("{:<30} {:>14.2} {:<7} {:>14}  {mark}", row.name, row.value, row.unit, row.goal());
        }
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| {
            let (goal, ok) = (row.goal(), row.ok());
            serde_json::json!({ "name": row.name, "value": row.value, "unit": row.unit, "goal": goal, "ok": ok })
        };
        serde_json::json!({ "rows": self.0.iter().map(row).collect::<Vec<_>>() }).to_string()
    }
}

/// A goal with as many decimals as it has, two at most.
fn short(limit: f64) -> String {
    format!("{limit:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
