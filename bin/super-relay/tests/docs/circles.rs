//! Modules of a crate form a tree (docs/architecture.md): circles of imports between sibling
//! modules are printed, and a new one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, Macro, UseTree};

use super::project;

/// Circles that are still there. Take a line out with the circle; none is added.
const KNOWN: [&str; 1] = ["ta: accounts checks keys system webauthn"];

pub type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
#[expect(clippy::print_stdout, reason = "shown with --nocapture, and where the test fails")]
fn no_import_circle_is_new() {
    let mut circles = BTreeSet::new();
    for (name, modules) in crates() {
        let graph = graph(&modules);
        println!("{name}: {} modules", modules.len());
        for circle in circles_of(&graph) {
            println!("  {}", circle.join(" "));
            circles.insert(format!("{name}: {}", circle.join(" ")));
        }
    }
    let known = KNOWN.iter().map(|circle| (*circle).to_owned()).collect();
    assert_eq!(circles, known, "left: circles found, right: circles known");
}

#[test]
fn a_circle_is_found_wherever_the_path_stands() {
    let modules = |left: &str, right: &str| {
        let source = |text: &str| syn::parse_file(text).unwrap();
        BTreeMap::from([
            (Vec::new(), source("mod left; mod right;")),
            (vec!["left".to_owned()], source(left)),
            (vec!["right".to_owned()], source(right)),
        ])
    };
    let circle = [vec!["left".to_owned(), "right".to_owned()]];
    for back in [
        "use crate::left::Thing;",
        "use crate::{left, right};",
        "use super::{left::{self, Thing as Other}};",
        "fn f() -> crate::left::Thing { todo!() }",
        "fn f() { println!(\"{}\", crate::left::f()); }",
        "impl super::left::Port for () {}",
    ] {
        let found = circles_of(&graph(&modules("use crate::right::Other;", back)));
        assert_eq!(found, circle, "{back}");
    }
    for none in ["use left::Thing;", "use crate::right::Own;", "#[cfg(test)] mod tests { use crate::left::Thing; }"] {
        assert!(circles_of(&graph(&modules("use crate::right::Other;", none))).is_empty(), "{none}");
    }
}

/// Every crate with the modules that are files of their own, by their path.
pub fn crates() -> BTreeMap<String, BTreeMap<Vec<String>, syn::File>> {
    let mut crates = BTreeMap::<String, BTreeMap<_, _>>::new();
    for path in project::paths() {
        let Some((package, file)) = path.to_str().unwrap().split_once("/src/") else { continue };
        let Some(file) = file.strip_suffix(".rs") else { continue };
        let text = project::read(path.to_str().unwrap());
        let parsed = syn::parse_file(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        let name = Path::new(package).file_name().unwrap().to_str().unwrap().to_owned();
        crates.entry(name).or_default().insert(module(file), parsed);
    }
    crates
}

/// `chain/mod` is `["chain"]`; the root is empty.
fn module(file: &str) -> Vec<String> {
    let mut path: Vec<_> = file.split('/').map(str::to_owned).collect();
    let last = path.last().unwrap().as_str();
    if last == "mod" || (path.len() == 1 && (last == "lib" || last == "main")) {
        path.pop();
    }
    path
}

/// Which module uses which, where the two have the same parent. A module may use its parents and is
/// used by them.
pub fn graph(modules: &BTreeMap<Vec<String>, syn::File>) -> Graph {
    let mut graph = Graph::new();
    for (user, file) in modules {
        let mut uses = Uses { module: user, found: BTreeSet::new() };
        uses.visit_file(file);
        for mut used in uses.found {
            while !used.is_empty() && !modules.contains_key(&used) {
                used.pop();
            }
            let shared = user.iter().zip(&used).take_while(|(user, used)| user == used).count();
            if shared < user.len() && shared < used.len() {
                let used = used[..=shared].join("::");
                graph.entry(used.clone()).or_default();
                graph.entry(user[..=shared].join("::")).or_default().insert(used);
            }
        }
    }
    graph
}

/// The paths inside the crate that a module names.
struct Uses<'a> {
    module: &'a [String],
    found: BTreeSet<Vec<String>>,
}

impl Uses<'_> {
    /// Adds a path that begins with `crate`, `super` or `self`; others are of other crates, or
    /// relative to a `use`.
    fn add(&mut self, path: &[String]) {
        let mut path = path.iter();
        let mut resolved = match path.next().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self") => self.module.to_vec(),
            Some("super") => parent(self.module),
            _ => return,
        };
        for name in path {
            match name.as_str() {
                "super" => resolved = parent(&resolved),
                "self" => {}
                name => resolved.push(name.to_owned()),
            }
        }
        self.found.insert(resolved);
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
        }
    }

    /// Paths among the tokens of a macro.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                other => {
                    self.add(&std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(&path);
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(ItemMod { attrs, .. }) = item
            && attrs.iter().any(is_for_tests)
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
}

fn parent(path: &[String]) -> Vec<String> {
    path.split_last().map_or_else(Vec::new, |(_, parent)| parent.to_vec())
}

/// The modules that reach each other, by name; each circle once.
fn circles_of(graph: &Graph) -> Vec<Vec<String>> {
    let reached: BTreeMap<_, _> = graph.keys().map(|module| (module, reached_from(graph, module))).collect();
    let circle = |module: &String| {
        let back = reached[module].iter().filter(|other| reached[*other].contains(module));
        back.cloned().collect::<Vec<_>>()
    };
    let mut circles: Vec<_> = graph.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    circles.sort();
    circles.dedup();
    circles
}

fn reached_from(graph: &Graph, module: &String) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![module];
    while let Some(module) = next.pop() {
        for used in &graph[module] {
            if reached.insert(used.clone()) {
                next.push(used);
            }
        }
    }
    reached
}
