//! The validator that remembers gives the same verdicts.

use infernet_adversary::{Attack, Remembered};
use infernet_engine::pipeline::Precision;
use infernet_network::inference::ModelAuditor;
use infernet_network::proof::audit;

use crate::case::{Case, DIGEST, depth, parameters, table};

#[test]
fn verdicts_are_those_of_a_validator_that_forgets() {
    let case = Case::new(Precision::F32);
    let first = case.exchange(7, &parameters(4));
    let table = table(case.tolerance(&first));
    let exchanges = [first, case.exchange(8, &parameters(4))]
        .map(|exchange| exchange.with_audits(depth(2), 0, table.digest()).unwrap());
    let runs = exchanges.each_ref().map(|exchange| {
        let setting = case.setting(exchange);
        let cheat = Attack::CachedOnce.run(&setting).unwrap().evidence;
        [setting.honest_run().unwrap().clone(), cheat].map(|evidence| exchange.commit(evidence).unwrap())
    });
    let mut plain = ModelAuditor::new(case.model.as_ref(), DIGEST);
    let mut remembering = case.validator();
    // Room for about one step's outputs.
    let mut forgetful = Remembered::new(ModelAuditor::new(case.model.as_ref(), DIGEST), 40_000);
    let mut rejected = 0;
    for number in 0..3 {
        // Jobs in turn, so that the model is prepared for the wrong one half of the time.
        for (exchange, committed) in
            exchanges.iter().zip(&runs).flat_map(|(exchange, runs)| runs.iter().map(move |run| (exchange, run)))
        {
            let bundle = exchange.bundle(committed, number).unwrap();
            let expected = audit(&bundle, &table, &mut plain).unwrap();
            rejected += u32::from(!expected.verdict.accepted());
            for validator in [&mut remembering, &mut forgetful] {
                let found = audit(&bundle, &table, validator).unwrap();
                assert_eq!(found.verdict, expected.verdict);
                assert_eq!(found.bias, expected.bias);
            }
        }
    }
    assert!(rejected > 0);
    assert!(remembering.evaluations_made() <= 4 * 2 * 4);
    assert!(forgetful.evaluations_made() > remembering.evaluations_made());
    assert_eq!(forgetful.evaluations(), remembering.evaluations());
}
