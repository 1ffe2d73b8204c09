//! Rows as a table, as CSV or as JSON, printed as they come.

use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::error::Error;
use crate::printable::printable;

/// Characters at the beginning of a cell that make a spreadsheet take it for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: the most important columns.
    Table,
    /// RFC 4180, with every column. A cell that a spreadsheet would take for a formula begins with
    /// an apostrophe.
    Csv,
    /// One JSON object per line.
    Json,
}

/// Whether somebody still reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Reads,
    /// It has read enough, as `head` has.
    Gone,
}

/// A column of a report about `R`.
pub struct Column<R> {
    pub name: &'static str,
    /// Whether a table has it.
    pub is_short: bool,
    pub cell: fn(&R) -> String,
}

/// A report in progress.
pub struct Report<'w, R, W> {
    format: Format,
    columns: Vec<Column<R>>,
    /// Of a table's columns: set by the first rows.
    widths: Option<Vec<usize>>,
    has_head: bool,
    out: &'w mut W,
}

impl<'w, R: Serialize, W: Write> Report<'w, R, W> {
    pub fn new(format: Format, mut columns: Vec<Column<R>>, out: &'w mut W) -> Self {
        columns.retain(|column| format != Format::Table || column.is_short);
        Self { format, columns, widths: None, has_head: false, out }
    }

    /// Prints more rows; with the first ones, which may be none, the names of the columns.
    pub fn print(&mut self, rows: &[R]) -> Result<Reader, Error> {
        let text = match self.format {
            Format::Table => self.table(rows),
            Format::Csv => self.csv(rows),
            Format::Json => json(rows)?,
        };
        self.has_head = true;
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(Reader::Reads),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Error::Output(error)),
        }
    }

    fn cells(&self, rows: &[R]) -> Vec<Vec<String>> {
        rows.iter().map(|row| self.columns.iter().map(|column| (column.cell)(row)).collect()).collect()
    }

    fn table(&mut self, rows: &[R]) -> String {
        let mut lines = self.cells(rows);
        lines.iter_mut().flatten().for_each(|cell| *cell = printable(cell));
        if !self.has_head {
            let head = self.columns.iter().map(|column| column.name.replace('_', " ").to_uppercase());
            lines.insert(0, head.collect());
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths = self.widths.get_or_insert_with(|| (0..self.columns.len()).map(width).collect());
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(widths.iter()).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        lines.iter().map(line).collect()
    }

    fn csv(&self, rows: &[R]) -> String {
        let mut lines = self.cells(rows);
        if !self.has_head {
            lines.insert(0, self.columns.iter().map(|column| column.name.to_owned()).collect());
        }
        lines
            .iter()
            .map(|cells| cells.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(",") + "\r\n")
            .collect()
    }
}

fn json<R: Serialize>(rows: &[R]) -> Result<String, Error> {
    let line = |row| serde_json::to_string(row).map(|line| line + "\n");
    rows.iter().map(line).collect::<Result<_, _>>().map_err(|error| Error::Answer(error.to_string()))
}

/// In quotes where RFC 4180 wants them.
fn csv_cell(text: &str) -> String {
    let disarmed = if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() };
    if disarmed.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", disarmed.replace('"', "\"\"")) } else { disarmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, pages: &[&[&'static str]]) -> String {
        let mut out = Vec::new();
        let all = Column { name: "the_text", is_short: true, cell: |text: &&str| (*text).to_owned() };
        let length = Column { name: "length", is_short: false, cell: |text: &&str| text.len().to_string() };
        let mut report = Report::new(format, vec![all, length], &mut out);
        for page in pages {
            assert_eq!(report.print(page).unwrap(), Reader::Reads);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_calculate_is_text() {
        let cells = ["=1+1", "+1", "-1", "@a", "\ta", "a=1", "a,b", "say \"a\"", "two\r\nlines", "=\"a\"", ""];
        let expected = [
            "the_text,length",
            "'=1+1,4",
            "'+1,2",
            "'-1,2",
            "'@a,2",
            "'\ta,2",
            "a=1,3",
            "\"a,b\",3",
            "\"say \"\"a\"\"\",7",
            "\"two\r\nlines\",10",
            "\"'=\"\"a\"\"\",4",
            ",0",
            "",
        ];
        assert_eq!(printed(Format::Csv, &[&cells]), expected.join("\r\n"));
    }

    #[test]
    fn the_names_of_the_columns_are_printed_once_and_without_any_row() {
        assert_eq!(printed(Format::Csv, &[&[]]), "the_text,length\r\n");
        assert_eq!(printed(Format::Csv, &[&["a"], &["b"]]), "the_text,length\r\na,1\r\nb,1\r\n");
        assert_eq!(printed(Format::Table, &[&["a\u{1b}[2J"], &["b"]]), "THE TEXT\na\u{fffd}[2J\nb\n");
        assert_eq!(printed(Format::Json, &[&["a"], &["b\n"]]), "\"a\"\n\"b\\n\"\n");
    }
}
