//! Steering within tolerance: no audit sees it, their mean does.

use infernet_adversary::Attack;
use infernet_engine::pipeline::Precision;
use infernet_network::proof::BiasLedger;

use crate::case::{Case, audit_one, depth, parameters, table};

#[test]
fn a_bias_within_tolerance_passes_audits_and_shows_in_the_ledger() {
    const AUDITS: u64 = 40;
    let case = Case::new(Precision::F32);
    let calibrating = case.exchange(4, &parameters(6));
    let pair = case.tolerance(&calibrating);
    let table = table(pair.clone());
    let exchange = calibrating.with_audits(depth(2), 0, table.digest()).unwrap();
    let mut setting = case.setting(&exchange);
    assert!(matches!(
        Attack::Bias { share: 0.5 }.run(&setting),
        Err(infernet_adversary::AttackError::NoBounds { attack: "bias-within-tolerance" })
    ));
    setting.bounds = Some(&pair);
    let mut validator = case.validator();
    let mut ledger = |evidence, passes: bool| {
        let committed = exchange.commit(evidence).unwrap();
        let mut ledger = BiasLedger::default();
        for number in 0..AUDITS {
            let audit = audit_one(None, &exchange, &committed, number, &table, &mut validator).audit;
            assert_eq!(audit.verdict.accepted(), passes, "{:?}", audit.verdict.failure());
            audit.bias.into_iter().for_each(|sample| ledger.add(sample));
        }
        ledger.report(1e-6)
    };
    let steered = ledger(Attack::Bias { share: 0.5 }.run(&setting).unwrap().evidence, true);
    assert!(steered.biased && steered.direction == "gain" && steered.mean > 0.0, "{steered:?}");
    let honest = ledger(setting.honest_run().unwrap().clone(), true);
    assert!(!honest.biased && honest.count == steered.count, "{honest:?}");
    // Beyond the bound it is caught at once.
    ledger(Attack::Bias { share: 2.0 }.run(&setting).unwrap().evidence, false);
}
