use super::{Document, check};
use crate::policy;

const FRAME: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
                     metadata: {name: node}\nspec:\n  rules:\n";

#[test]
fn says_what_a_valid_policy_holds() {
    let source = format!("{FRAME}    - {{name: a, to: [{{fqdn: a.example.com}}]}}\n");

    let (text, is_good) = check(&source, "p.yaml", true);

    assert!(is_good, "{text}");
    assert_eq!(
        text,
        "p.yaml: valid, policy node in mode enforce: 1 rule, 1 name, 0 ranges; \
         0 errors, 0 warnings"
    );
}

#[test]
fn warnings_fail_a_strict_check_only() {
    let source = format!("{FRAME}    - {{name: a, to: [{{cidr: 192.0.2.1/24}}]}}\n");

    let (text, is_good) = check(&source, "p.yaml", false);
    let (strict_text, is_strictly_good) = check(&source, "p.yaml", true);

    assert!(is_good, "{text}");
    assert!(!is_strictly_good);
    assert!(text.starts_with("warning: `192.0.2.1/24` has host bits set"), "{text}");
    assert!(strict_text.ends_with("valid, but not without warnings; 0 errors, 1 warning"));
}

#[test]
fn an_invalid_policy_is_not_good() {
    let source = format!("{FRAME}    - {{name: a, to: [{{cidr: 192.0.2.1/33}}]}}\n");

    let (text, is_good) = check(&source, "p.yaml", false);

    assert!(!is_good);
    assert!(text.contains(" --> p.yaml:6:29\n"), "{text}");
    assert!(text.ends_with("p.yaml: not valid; 1 error, 0 warnings"), "{text}");
}

#[test]
fn the_json_has_the_keys_of_the_contract() {
    let source = format!("{FRAME}    - {{name: a, to: [{{cidr: 192.0.2.1/33}}]}}\n");
    let parsed = policy::parse(&source);

    let document = serde_json::to_value(Document::of(&parsed)).unwrap();

    assert_eq!(
        document,
        serde_json::json!({
            "apiVersion": "enforcer.dev/v1alpha1",
            "kind": "Check",
            "valid": false,
            "diagnostics": [{
                "severity": "error",
                "line": 6,
                "column": 29,
                "text": "192.0.2.1/33",
                "message": "`/33` is no prefix length",
                "help": "write a number from 0 to 32, such as `192.0.2.1/32`",
            }],
        })
    );
}
