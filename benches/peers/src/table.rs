//! The rows, their goals, and the two forms in which they are given out.

/// What a row has to keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug)]
struct Row {
    name: &'static str,
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
            Goal::AtMost(limit) => format!("<= {limit:.1}"),
            Goal::AtLeast(limit) => format!(">= {limit:.1}"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, name: &'static str, value: f64, unit: &'static str, goal: Goal) {
        eprintln!("  {name} {value:.2} {unit}");
        self.0.push(Row { name, value, unit, goal });
    }

    pub(crate) fn print(&self) {
        println!("{:<30} {:>14} {:<7} {:>14}  ok", "figure", "value", "unit", "goal");
        for row in &self.0 {
            let mark = if row.ok() { "yes" } else { "NO" };
            let mark = if row.goal().is_empty() { "" } else { mark };
            println!("{:<30} {:>14.2} {:<7} {:>14}  {mark}", row.name, row.value, row.unit, row.goal());
        }
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| serde_json::json!({ "name": row.name, "value": row.value, "unit": row.unit, "goal": row.goal(), "ok": row.ok() });
        serde_json::json!({ "rows": self.0.iter().map(row).collect::<Vec<_>>() }).to_string()
    }
}

/// The value below which `share` of the samples lie.
pub(crate) fn percentile(samples: &mut [u32], share: f64) -> f64 {
    samples.sort_unstable();
    let at = ((samples.len() as f64 * share) as usize).min(samples.len().saturating_sub(1));
    samples.get(at).copied().map_or(0.0, f64::from)
}
