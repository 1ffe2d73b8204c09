//! docs/protocol.md agrees with the code: its sections, commands, limits and type strings.

use proto::command::Opcode;
use proto::{EntryPointVersion, limits};

use super::markdown::table;
use super::project;

const PAGE: &str = "docs/protocol.md";
const HEADING: &str = "## 6. Commands of the trusted application";

#[test]
fn every_section_that_the_code_cites_exists() {
    let page = project::read(PAGE);
    let is_heading = |line: &&str| line.starts_with("## ") || line.starts_with("### ");
    let numbers: Vec<&str> = page.lines().filter(is_heading).filter_map(section_number).collect();
    let mut cited = 0;
    for path in project::paths() {
        if path.extension().is_none_or(|extension| extension != "rs" && extension != "sol") {
            continue;
        }
        let text = without_breaks(&project::read(path.to_str().unwrap()));
        for citation in text.split("(protocol, section").skip(1) {
            let citation = citation.split(')').next().unwrap().trim_start_matches('s');
            for number in citation.split(&[' ', ','][..]).filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            {
                cited += 1;
                assert!(numbers.contains(&number), "{} cites section {number} of {PAGE}", path.display());
            }
        }
    }
    assert!(cited > 10, "only {cited} citations were found");
}

#[test]
fn the_commands_are_those_of_the_wire() {
    let rows = second_table("| opcode | command |");
    let shown: Vec<_> = rows.iter().map(|row| (row[0].clone(), row[1].clone(), row[3] == "yes")).collect();
    let wanted: Vec<_> = Opcode::ALL
        .iter()
        .map(|opcode| {
            let number = (*opcode as u16).to_string();
            (number, format!("{opcode:?}"), opcode.batched_reply_limit().is_some())
        })
        .collect();
    assert_eq!(shown, wanted);
}

#[test]
fn the_limits_are_those_of_the_wire() {
    let source = project::read("crates/proto/src/limits.rs");
    let names = source.split("pub const ").skip(1).filter_map(|text| text.split_once(": usize")).map(|(name, _)| name);
    let shown = second_table("| limit | value |");
    assert_eq!(shown.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), names.collect::<Vec<_>>());
    let values = [
        limits::MAX_FRAME,
        limits::MAX_REPLY,
        limits::MAX_CALL_DATA,
        limits::MAX_FACTORY_DATA,
        limits::MAX_PAYMASTER_DATA,
        limits::MAX_PAYMASTER_SIGNATURE,
        limits::MAX_ACCOUNT_ID,
        limits::MAX_CREDENTIAL_ID,
        limits::MAX_AUTHENTICATOR_DATA,
        limits::MAX_CLIENT_DATA,
        limits::MAX_ATTESTATION_OBJECT,
        limits::MAX_DER_SIGNATURE,
        limits::MAX_NAME,
        limits::MAX_ECHO,
        limits::MAX_SIGNERS,
        limits::MAX_DEPLOYMENTS,
        limits::MAX_ALLOWANCES,
        limits::MAX_RELYING_PARTIES,
        limits::MAX_RELYING_PARTIES_RECORD,
        limits::MAX_PASSKEYS,
        limits::MAX_BATCH,
        limits::MAX_INTENTS,
        limits::MAX_QUOTE,
        limits::MAX_MESSAGE,
        limits::MAX_DOMAIN_TEXT,
    ];
    assert_eq!(shown.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), values.map(|value| value.to_string()));
}

#[test]
fn the_types_of_admin_commands_are_those_that_are_signed() {
    let page = project::read(PAGE);
    let shown = table(&page, "### 2.5. Admin commands");
    let rows: Vec<_> = Opcode::ALL
        .iter()
        .filter_map(|opcode| Some(((*opcode as u16).to_string(), opcode.typed_data()?.encode_type())))
        .collect();
    assert_eq!(shown.len(), rows.len());
    for (shown, (opcode, types)) in shown.iter().zip(rows) {
        // The command's own type comes first, then the types it refers to.
        let (own, referenced) = types.split_once(')').unwrap();
        assert_eq!((&shown[0], shown[1].as_str()), (&opcode, format!("{own})").as_str()));
        for referenced in referenced.split_inclusive(')') {
            assert!(page.contains(&format!("\n{referenced}\n")), "{PAGE} should have {referenced}");
        }
    }
}

#[test]
fn the_canonical_entry_points_are_those_of_the_code() {
    let shown = table(&project::read(PAGE), "## 1. Terms");
    let wanted = EntryPointVersion::ALL
        .map(|version| vec![version.to_string(), version.canonical_address().to_string().to_lowercase()]);
    assert_eq!(shown.iter().map(|row| vec![row[0].clone(), row[1].to_lowercase()]).collect::<Vec<_>>(), wanted);
}

/// The source in one line, comments without their markers: a citation may be wrapped anywhere.
fn without_breaks(source: &str) -> String {
    let lines = source.lines().map(|line| line.trim().trim_start_matches(['/', '!']).trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// `2.1` of `### 2.1. The user's intent`.
fn section_number(heading: &str) -> Option<&str> {
    heading.split(' ').nth(1)?.strip_suffix('.')
}

/// The rows of the table of section 6 that begins like this.
fn second_table(header: &str) -> Vec<Vec<String>> {
    let page = project::read(PAGE);
    let section = page.split_once(&format!("\n{HEADING}\n")).expect("section 6").1;
    let from_header = section.find(header).unwrap_or_else(|| panic!("no table {header:?}"));
    table(&format!("\n{HEADING}\n{}", &section[from_header..]), HEADING)
}
