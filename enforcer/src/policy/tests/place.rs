//! Where a finding points.

use super::{parse, policy_text};

/// Every `§` of a text stands in front of an offending text, and is taken out.
fn places(marked: &str) -> (String, Vec<(u32, u32)>) {
    let mut places = Vec::new();
    let mut plain = String::new();
    for (line, text) in (1_u32..).zip(marked.lines()) {
        let mut column = 1;
        for character in text.chars() {
            if character == '§' {
                places.push((line, column));
            } else {
                plain.push(character);
                column += 1;
            }
        }
        plain.push('\n');
    }
    (plain, places)
}

#[test]
fn every_fault_of_a_file_is_reported_at_its_own_text() {
    let marked = policy_text(
        r#"  mode: §enforced
  dns: {resolvers: [§sytem, "§ystem"], minTtl: §1}
  rules:
    - name: §Web
      to: [{fqdn: "§a b.com"}, {fqdn: '§x/y'}, {cidr: §10.0.0.0/33}, {§fdqn: a.b}]
      # a comment, and 日本 in front
      ports: [tcp/443, §443,
              §tcp/70000]
    - {name: "日本語 is no name", to: [{fqdn: §1.2}]}
"#,
    )
    .replace("\"日本語", "\"§日本語");
    let (text, expected) = places(&marked);

    let parsed = parse(&text);

    let found: Vec<_> = parsed.diagnostics.iter().map(|found| (found.line, found.column)).collect();
    assert_eq!(found, expected);
    for found in &parsed.diagnostics {
        let line = text.lines().nth(found.line as usize - 1).unwrap();
        let rest: String = line.chars().skip(found.column as usize - 1).collect();
        assert!(rest.starts_with(&found.text), "{found:?}");
    }
}

#[test]
fn an_alias_is_reported_where_it_is_used() {
    let text = policy_text(
        "  rules:\n    - {name: a, to: [{fqdn: &name x/y}]}\n    - {name: b, to: [{fqdn: *name}]}\n",
    );

    let lines: Vec<u32> = parse(&text).diagnostics.iter().map(|found| found.line).collect();

    assert_eq!(lines, [6, 7]);
}
