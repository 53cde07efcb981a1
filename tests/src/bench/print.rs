//! Figures, for people.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::{
    Shape,
    quartiles::Quartiles,
    report::{Figures, Outcome, Path, Traffic},
};
use crate::probe::Family;

const NO_FIGURE: &str = "-";

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "Linux {}, {} x {}, load {}",
            machine.kernel, machine.processors, machine.processor, machine.load
        )?;
        writeln!(
            f,
            "nanoseconds of a processor a packet: medians of {} rounds of {} datagrams, {} a system \
             call; in brackets the quartiles",
            self.rounds, self.packets, self.batch
        )?;
        for traffic in &self.traffic {
            writeln!(f, "\n{traffic}")?;
        }
        writeln!(f, "\nprograms alone, {} runs a figure", self.repeat)?;
        writeln!(f, "{}", programs(&self.programs))
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == Family::V4 { "IPv4" } else { "IPv6" };
        let shape = match self.shape {
            Shape::Connected => "one destination, connected",
            Shape::Many => "many destinations, unconnected",
        };
        let noise = self.noise.map_or_else(|| NO_FIGURE.to_owned(), shown);
        writeln!(f, "{family}, {shape}, {} addresses; noise {noise}", self.addresses)?;
        let mut table = table(["", "COST", "ADDED", "x EMPTY"]);
        for figures in &self.columns {
            table.add_row(row(figures));
        }
        f.write_str(&trimmed(&table))
    }
}

fn row(figures: &Figures) -> [String; 4] {
    let show = |it: Option<Quartiles>| it.map_or_else(|| NO_FIGURE.to_owned(), shown);
    let ratio = figures.ratio.map_or_else(|| NO_FIGURE.to_owned(), |it| format!("{it:.1}"));
    let cost = match &figures.missing {
        Some(reason) => format!("missing: {reason}"),
        None => show(figures.cost),
    };
    [figures.contender.to_string(), cost, show(figures.added), ratio]
}

fn programs(paths: &[Path]) -> String {
    let mut table = table(["PROGRAM", "PACKET", "COST", ""]);
    for path in paths {
        let cost = path.cost.map_or_else(|| NO_FIGURE.to_owned(), shown);
        let missing = path.missing.clone().unwrap_or_default();
        table.add_row([path.program.clone(), path.packet.clone(), cost, missing]);
    }
    trimmed(&table)
}

fn table(header: [&str; 4]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}

fn shown(quartiles: Quartiles) -> String {
    format!("{:.0} ({:.0} to {:.0})", quartiles.median, quartiles.lower, quartiles.upper)
}

/// Without blanks at the ends of lines, which a terminal would wrap.
fn trimmed(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
