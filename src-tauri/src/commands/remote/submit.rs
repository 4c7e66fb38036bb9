//! `infernet submit`.

use infernet_api::types::job::{NewJob, Quote};

use super::money::credits;
use super::time::duration;
use super::{on_chain, watch};
use crate::cli::SubmitArgs;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::{files, output};

pub(super) fn run(arguments: &SubmitArgs) -> Result {
    let order = order(arguments)?;
    order.check().map_err(|error| Failure::input(format!("{error}\n  {} ({})", error.next_step, error.code.name())))?;
    if let Some(path) = &arguments.out {
        files::check_new_file(path, arguments.force)?;
    }
    let json = arguments.remote.json;
    connection::ask(&arguments.remote, async |client| {
        if arguments.quote {
            let quote = client.quote(&order).await?;
            return if json { output::json(&quote) } else { print_quote(&quote) };
        }
        let on_chain = client.status().await?.network.chain.is_some();
        if on_chain && !json {
            let quote = client.quote(&order).await?;
            let deposit = order.deposit_microcredits.unwrap_or(quote.suggested_deposit_microcredits);
            on_chain::cost(&quote, deposit).iter().try_for_each(|line| output::line(line))?;
        }
        let mut job = client.submit(&order).await?;
        if on_chain {
            job = on_chain::deposited(&client, job.id, json).await?;
        }
        if !json {
            output::line(&format!("{}: posted, {} deposited", job.id, credits(job.deposit_microcredits)))?;
        }
        if !arguments.wait && arguments.out.is_none() {
            return if json {
                output::json(&job)
            } else {
                output::line(&format!("watch it with: infernet watch {}", job.id))
            };
        }
        let wish = watch::Wish { out: arguments.out.as_deref(), force: arguments.force, json };
        watch::to_the_end(&client, job.id, &wish).await
    })
}

fn order(arguments: &SubmitArgs) -> Result<NewJob> {
    let size = &arguments.size;
    let whole = |name: &str, value: Option<usize>| {
        let fits = value.map(u32::try_from).transpose();
        fits.map_err(|_| Failure::input(format!("--{name} is larger than anything can be")))
    };
    Ok(NewJob {
        request_id: Some(connection::request_id()?),
        negative_prompt: arguments.negative.clone(),
        width: whole("width", size.width)?,
        height: whole("height", size.height)?,
        frames: whole("frames", size.frames)?,
        steps: whole("steps", size.steps)?,
        frames_per_second: arguments.fps,
        guidance: arguments.guidance,
        scheduler: arguments.scheduler.clone(),
        deposit_microcredits: arguments.deposit,
        deadline_secs: arguments.deadline,
        miners: arguments.miners,
        ..NewJob::new(arguments.model.clone(), &arguments.prompt)
    })
}

fn print_quote(quote: &Quote) -> Result {
    let size = &quote.size;
    output::line(&format!("size       {}x{}, {} frames, {} steps", size.width, size.height, size.frames, size.steps))?;
    output::line(&format!(
        "deposit    {} suggested, at least {}",
        credits(quote.suggested_deposit_microcredits),
        credits(quote.least_deposit_microcredits)
    ))?;
    output::line(&format!("fee        {} of it", credits(quote.fee_microcredits)))?;
    output::line(&format!("balance    {}", credits(quote.balance_microcredits)))?;
    if let Some(cost) = on_chain::cost(quote, quote.suggested_deposit_microcredits) {
        output::line(&format!("chain      {cost}"))?;
    }
    output::line(&format!("miners     {} can take it now", quote.miners_able))?;
    let time =
        quote.seconds.map_or_else(|| "not known".to_owned(), |secs| format!("about {}", duration(secs.ceil() as u64)));
    output::line(&format!("time       {time}; deadline {}", duration(u64::from(quote.suggested_deadline_secs))))
}
