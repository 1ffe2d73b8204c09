//! The metrics in docs/operations.md are those of the code.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprLit, Lit};

use super::markdown::code_spans;
use super::project;

#[test]
fn the_table_of_metrics_has_those_of_the_code() {
    let page = project::read("docs/operations.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| metric |")).take_while(|line| line.starts_with('|'));
    let shown: BTreeSet<_> = rows.skip(2).flat_map(names_of).collect();

    let sources = project::paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let sources = sources.filter(|path| path.components().any(|part| part.as_os_str() == "src"));
    let sources = sources.map(|path| project::read(path.to_str().unwrap()));
    let registered: BTreeSet<_> =
        sources.filter(|source| source.contains("prometheus::")).flat_map(|source| registered(&source)).collect();
    assert!(registered.len() > 10, "{registered:?}");
    assert_eq!(shown, registered, "left: the page, right: the code");
}

#[test]
fn a_metric_is_found_whatever_its_name_ends_in() {
    assert_eq!(names_of("| `foo_bytes{port}`, `bar` | the `other` cell |"), ["foo_bytes", "bar"]);
    assert_eq!(names_of("| `foo_bytes`, `bar` `{a, b}` | |"), ["foo_bytes", "bar"]);
    let source = r#"fn f() { register(registry, Opts::new("foo_bytes", "Bytes of foo."), &["port", "a b"]) }"#;
    assert_eq!(registered(source), ["foo_bytes"]);
}

/// The names in the first cell of a row, without their labels.
fn names_of(row: &str) -> Vec<String> {
    let spans = row.split('|').nth(1).map(code_spans).into_iter().flatten();
    let names = spans.map(|span| span.split('{').next().unwrap_or_default().trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The names of the metrics that a source creates.
fn registered(source: &str) -> Vec<String> {
    let mut metrics = Metrics(Vec::new());
    metrics.visit_file(&syn::parse_file(source).unwrap());
    metrics.0
}

/// Calls that begin with a name and a help text, two literals, the second in words.
struct Metrics(Vec<String>);

impl<'ast> Visit<'ast> for Metrics {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let mut texts = call.args.iter().map(text);
        if let (Some(Some(name)), Some(Some(help))) = (texts.next(), texts.next())
            && help.contains(' ')
        {
            self.0.push(name);
        }
        visit::visit_expr_call(self, call);
    }
}

fn text(argument: &Expr) -> Option<String> {
    match argument {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
