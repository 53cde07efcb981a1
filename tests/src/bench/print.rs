//! Figures, for people.

use std::{collections::BTreeSet, fmt};

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::{
    growth::{By, Row},
    quartiles::Quartiles,
    report::{Figures, Outcome, Path, Traffic},
    scenario::{Force, Scenario, Shape},
};
use crate::probe::Family;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "Linux {}, {} x {}, load {}, {} build",
            machine.kernel, machine.processors, machine.processor, machine.load, machine.profile
        )?;
        writeln!(f, "medians, in brackets the quartiles")?;
        if !self.traffic.is_empty() {
            writeln!(
                f,
                "traffic: {} rounds of {} datagrams, {} a system call, or of what takes as long",
                self.rounds, self.packets, self.batch
            )?;
        }
        for traffic in &self.traffic {
            writeln!(f, "\n{traffic}")?;
        }
        for by in [By::Addresses, By::Rules] {
            if let Some((values, rows)) = by.rows(&self.traffic) {
                writeln!(f, "\nns added a packet, by {}", by.name())?;
                writeln!(f, "{}", growth(&values, &rows))?;
            }
        }
        if !self.programs.is_empty() {
            writeln!(f, "\nprograms alone, {} runs a figure", self.repeat)?;
            writeln!(f, "{}", programs(&self.programs))?;
        }
        if let Some(idle) = &self.idle {
            writeln!(f, "\n{idle}")?;
        }
        if !self.control.is_empty() {
            writeln!(f, "\nloads and reloads, milliseconds: medians, in brackets the quartiles")?;
        }
        for control in &self.control {
            writeln!(f, "\n{control}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { shape, force, senders } = self.scenario;
        let (family, shape) = (family_name(force.family), shape_name(shape));
        let Force { addresses, rules, .. } = force;
        write!(f, "{family}, {shape}; addresses {addresses}, rules {rules}, senders {senders}")?;
        writeln!(f, "\nns {}; noise {}", self.unit, self.noise.map_or_else(no_figure, shown))?;
        let mut table = table(&["", "COST", "ADDED", "x EMPTY", "% OF NONE", "PACKETS"]);
        for figures in &self.columns {
            table.add_row(row(figures));
        }
        f.write_str(&trimmed(&table))?;
        for figures in &self.columns {
            if let Some(reason) = &figures.missing {
                write!(f, "\nno figures of {}: {reason}", figures.contender)?;
            }
        }
        Ok(())
    }
}

fn row(figures: &Figures) -> [String; 6] {
    let show = |it: Option<Quartiles>| it.map_or_else(no_figure, shown);
    let decimal = |it: Option<f64>| it.map_or_else(no_figure, |it| format!("{it:.1}"));
    let packets = || {
        let each = |packets: u64| {
            let hundredths = packets * 100 / figures.sent.max(1);
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        };
        format!("{} out, {} back", each(figures.arrived), each(figures.returned))
    };
    [
        figures.contender.to_string(),
        show(figures.cost),
        show(figures.added),
        decimal(figures.ratio),
        decimal(figures.percent),
        if figures.sent == 0 { no_figure() } else { packets() },
    ]
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

const fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Connected => "UDP to one destination, connected",
        Shape::Few => "UDP to ten destinations, unconnected",
        Shape::Many => "UDP to many destinations, unconnected",
        Shape::FirstPackets => "UDP, the first packet of each flow",
        Shape::Connections => "TCP connect and close",
        Shape::Bulk => "TCP in bulk",
        Shape::Lookups => "DNS questions for allowed names",
        Shape::NewNames => "DNS questions for allowed names, each for the first time",
    }
}

/// A line for each kind of traffic and contender, a column for each value.
fn growth(values: &[u32], rows: &[Row]) -> String {
    let values = values.iter().map(ToString::to_string);
    let header: Vec<String> = ["", ""]
        .map(String::from)
        .into_iter()
        .chain(values)
        .chain(["GROWTH, %".to_owned()])
        .collect();
    let mut table = table(&header);
    for row in rows {
        let traffic = format!("{}, {}", family_name(row.family), shape_name(row.shape));
        let added = row.added.iter().map(|it| it.map_or_else(no_figure, |it| format!("{it:.0}")));
        let percent = row.percent().map_or_else(no_figure, |it| format!("{it:.0}"));
        let names = [traffic, row.contender.to_string()];
        table.add_row(names.into_iter().chain(added).chain([percent]));
    }
    trimmed(&table)
}

fn no_figure() -> String {
    "-".to_owned()
}

/// A line for each program and packet, a column for each number of rules.
fn programs(paths: &[Path]) -> String {
    let rules: BTreeSet<u32> = paths.iter().map(|it| it.rules).collect();
    let columns =
        rules.iter().map(|it| if *it == 1 { "1 RULE".into() } else { format!("{it} RULES") });
    let header: Vec<String> = ["PROGRAM".into(), "PACKET".into()]
        .into_iter()
        .chain(columns)
        .chain(["x EMPTY".into()])
        .collect();
    let mut table = table(&header);
    let is_first = |it: &&Path| rules.first() == Some(&it.rules);
    for first in paths.iter().filter(is_first) {
        let mut row = vec![first.program.clone(), first.packet.clone()];
        let all =
            paths.iter().filter(|it| it.program == first.program && it.packet == first.packet);
        row.extend(all.map(|it| it.cost.map_or_else(no_figure, shown)));
        row.push(first.ratio.map_or_else(no_figure, |it| format!("{it:.1}")));
        table.add_row(row);
    }
    let reasons = paths.iter().filter_map(|it| {
        let reason = it.missing.as_ref()?;
        Some(format!("\nno figure of {}, {}, rules: {}: {reason}", it.program, it.packet, it.rules))
    });
    trimmed(&table) + &reasons.collect::<String>()
}

fn table<T: ToString>(header: &[T]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.iter().map(ToString::to_string));
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
