//! What audits do is what the economics was computed for.

use infernet_economics::parameters::NetworkParameters;
use infernet_network::proof::AuditPolicy;

#[test]
fn audits_go_as_deep_as_the_economics_says() {
    let proof = AuditPolicy::default();
    let economics = NetworkParameters::default().audit;
    for trust in 0..=1000 {
        for steps in (1..=60).chain([75, 100, 250, 1000]) {
            let expected = economics.checks(f64::from(trust) / 1000.0, steps);
            assert_eq!(proof.steps(trust, steps), expected, "trust {trust}, {steps} steps");
        }
    }
    assert_eq!(proof.full_one_in, economics.full_audit_one_in);
    // Every job is audited by the protocol.
    assert!((economics.audited_job_share - 1.0).abs() < f64::EPSILON);
}
