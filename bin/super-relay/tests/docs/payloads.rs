//! The fields in docs/protocol.md, section 6.3, are those of the types that cross the wire.

use std::path::Path;

use syn::{Fields, GenericArgument, Item, PathArguments, Type};

use super::markdown::table;
use super::project;

const PAGE: &str = "docs/protocol.md";
const HEADING: &str = "### 6.3. Fields";
const COMMANDS: &str = "crates/proto/src/command";

#[test]
fn the_fields_of_payloads_are_those_of_the_code() {
    let shared = ["entry_point", "user_operation", "paymaster", "signers"];
    let shared = shared.map(|name| Path::new("crates/proto/src").join(name).with_extension("rs"));
    let own = project::paths().into_iter().filter(|path| path.starts_with(COMMANDS) && path.extension().is_some());
    let mut rows: Vec<_> = own.chain(shared).flat_map(|path| structs(path.to_str().unwrap())).collect();
    let mut shown = table(&project::read(PAGE), HEADING);
    rows.sort();
    shown.sort();
    let wanted: Vec<_> = rows.iter().map(|row| format!("| `{}` | {} |", row[0], row[1])).collect();
    assert!(shown == rows, "{PAGE} should have, in any order:\n{}", wanted.join("\n"));
}

#[test]
fn the_replies_are_those_of_the_code() {
    let source = project::read(&format!("{COMMANDS}/mod.rs"));
    for row in table(&project::read(PAGE), "### 6.1. Opcodes") {
        let (command, shown) = (&row[1], row[4].replace("nothing", "()"));
        let rows = source.lines().filter_map(|line| line.split_once(" => "));
        let mut own = rows.filter(|(words, _)| words.split_whitespace().any(|word| word == command));
        let reply = own.next().and_then(|(_, rest)| rest.split([',', ';']).next());
        assert_eq!(reply, Some(shown.as_str()), "the reply to {command}");
    }
}

/// Name and fields of every public struct of a file.
fn structs(path: &str) -> Vec<Vec<String>> {
    let items = syn::parse_file(&project::read(path)).unwrap().items.into_iter();
    items
        .filter_map(|item| match item {
            Item::Struct(item) if matches!(item.vis, syn::Visibility::Public(_)) => {
                let fields = match &item.fields {
                    Fields::Named(named) => named.named.iter().map(field).collect::<Vec<_>>().join(", "),
                    Fields::Unit => "none".to_owned(),
                    // Written as the value in it: the first table of the section has it.
                    Fields::Unnamed(_) => return None,
                };
                Some(vec![item.ident.to_string(), fields])
            }
            _ => None,
        })
        .collect()
}

fn field(field: &syn::Field) -> String {
    format!("{}: {}", field.ident.as_ref().unwrap(), plain(&field.ty))
}

/// The type as the page has it: `bytes`, `text`, `list of T`, `T?`, or its own name.
fn plain(given: &Type) -> String {
    let Type::Path(path) = given else {
        // The only arrays are words.
        return "[u8; 32]".to_owned();
    };
    let last = path.path.segments.last().unwrap();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(inner) => Some(plain(inner)),
            _ => None,
        }),
        _ => None,
    };
    match (last.ident.to_string().as_str(), inner) {
        ("BoundedBytes" | "CallData" | "FactoryData" | "PaymasterData" | "CredentialId", _) => "bytes".to_owned(),
        ("Bounded", _) => "text".to_owned(),
        ("BoundedList", Some(inner)) => format!("list of {inner}"),
        ("Option", Some(inner)) => format!("{inner}?"),
        (name, _) => name.to_owned(),
    }
}
