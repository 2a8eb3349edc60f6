//! The measurement of the console.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::manage::{lines, run};
use crate::program::Workshop;

/// Reads of one thing that the invented payments have not: a webhook, a delivery, a comparison with Stripe.
const NOT_INVENTED: [&str; 3] = [
    "/api/v1/ops/webhooks/{event}",
    "/api/v1/ops/deliveries/{id}",
    "/api/v1/ops/drift",
];

/// Whether the path of a request is one of this form, such as `/jobs/{id}`.
fn has_form(path: &str, form: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (parts, forms) = (path.split('/'), form.split('/'));
    parts.clone().count() == forms.clone().count()
        && parts
            .zip(forms)
            .all(|(part, form)| part == form || form.starts_with('{'))
}

#[test]
fn every_read_of_the_operations_api_is_measured() {
    let workshop = Workshop::new();
    let file = workshop.join("console.json");
    let arguments = "--allow-debug --requests 2 --payments 400 --jobs 60";
    let json = file.display();
    let output = run(&format!(
        "$PAWL bench --console {arguments} --json {json} >&2 && echo fast || echo slow"
    ));
    let ended = lines(&output);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(file.exists(), "{errors}");
    let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let measured = report["addresses"].as_array().unwrap();
    let worst = report["worst_p95_ms"].as_f64().unwrap();
    // The machine may be slow: the exit code says whether it was.
    assert_eq!(ended, [if worst <= 50.0 { "fast" } else { "slow" }]);
    assert!(measured.iter().all(|it| {
        it["bytes"].as_u64().unwrap() > 0 && it["p95_ms"].as_f64().unwrap() <= worst
    }));
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi-core.json");
    let document: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let reads = paths
        .iter()
        .filter(|(form, ways)| form.contains("/ops/") && ways["get"].is_object());
    for (form, _) in reads.filter(|(form, _)| !NOT_INVENTED.contains(&form.as_str())) {
        let who: Vec<_> = measured
            .iter()
            .filter(|it| has_form(it["path"].as_str().unwrap(), form))
            .map(|it| it["who"].as_str().unwrap())
            .collect();
        assert!(who.contains(&"house"), "{form} is not measured");
    }
    let by_account = measured.iter().filter(|it| it["who"] == "account").count();
    assert!(by_account > 40, "{by_account} addresses of an account");
}
