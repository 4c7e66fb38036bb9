//! Making members: from a model folder, a plan and a collective, or a whole group of threads.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::collective::{Collective, local_group};
use super::leader::{GroupModel, MemberReport, TextEncoder, check_size, follow};
use super::member::{Decoder, Member};
use super::plan::{Holding, Plan};
use super::shares::{Answering, Shares, gather};
use super::streamed::{Fetch, Streamed};
use crate::backend::Backend;
use crate::backend::tensor::Chosen;
use crate::error::{EngineError, Result};
use crate::models::clip_text::{ClipText, ClipTextConfig, ClipTokenizer};
use crate::models::unet3d::{UNet3D, UNet3DConfig, Unit, program, skip_unused};
use crate::models::vae::{Vae, VaeConfig};
use crate::pipeline::{LoadOptions, VideoModel, check_index, check_parts};
use crate::weights::Weights;

/// How members of a group behave.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// Device, number format and threads of this member; of all members together where they are threads.
    pub load: LoadOptions,
    /// How long a member waits for another before it gives up.
    pub timeout: Duration,
    /// How long a member waits for the leader's next command before it leaves.
    pub idle: Duration,
    /// Loads text encoder and VAE when they are needed and frees them after, and decodes frame by frame: less memory, more time.
    /// Plans that stream weights do so anyway.
    pub lean: bool,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            load: LoadOptions::default(),
            timeout: Duration::from_secs(900),
            idle: Duration::from_secs(3600),
            lean: false,
        }
    }
}

/// A group of threads of this process that makes clips by a plan, through the same code as a group of machines.
pub struct VirtualGroup {
    model: Box<dyn VideoModel>,
    reports: Arc<Mutex<Vec<MemberReport>>>,
}

impl VirtualGroup {
    /// Loads a model for all members of `plan`. Members that keep all weights share them.
    ///
    /// # Errors
    /// The model can't be loaded, or the device can't be used.
    pub fn load(folder: &Path, plan: &Plan, options: &GroupOptions) -> Result<Self> {
        let group = local_group(plan.members()).into_iter().map(|member| Arc::new(member) as Arc<dyn Collective>);
        Self::with(folder, plan, options, group.collect())
    }

    /// As [`load`](Self::load), over given connections, one for each member in the order of their ranks.
    ///
    /// # Errors
    /// As [`load`](Self::load); or there are more or fewer members than the plan has.
    pub fn with(folder: &Path, plan: &Plan, options: &GroupOptions, group: Vec<Arc<dyn Collective>>) -> Result<Self> {
        let (model, reports) = match options.load.backend()? {
            Chosen::Kernels(cpu) => virtual_group(folder, cpu, plan, options, group)?,
            Chosen::Tensors(tensors) => virtual_group(folder, tensors, plan, options, group)?,
        };
        Ok(Self { model, reports })
    }

    /// The group as a model.
    #[must_use]
    pub fn model(&self) -> &dyn VideoModel {
        self.model.as_ref()
    }

    /// What every member has exchanged so far.
    #[must_use]
    pub fn reports(&self) -> Vec<MemberReport> {
        self.reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// A model that a group of processes or machines runs, led from here (rank 0).
pub struct LedGroup {
    model: Box<dyn VideoModel>,
    reports: Arc<Mutex<Vec<MemberReport>>>,
}

impl LedGroup {
    /// The group as a model. When it is dropped, the other members are told to leave.
    #[must_use]
    pub fn model(&self) -> &dyn VideoModel {
        self.model.as_ref()
    }

    /// What every member has exchanged so far.
    #[must_use]
    pub fn reports(&self) -> Vec<MemberReport> {
        self.reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Leads a group as its rank 0.
///
/// # Errors
/// The model can't be loaded, or the group is not as large as the plan.
pub fn lead(folder: &Path, plan: &Plan, options: &GroupOptions, collective: Arc<dyn Collective>) -> Result<LedGroup> {
    let (model, reports) = match options.load.backend()? {
        Chosen::Kernels(cpu) => lead_on(folder, cpu, plan, options, collective)?,
        Chosen::Tensors(tensors) => lead_on(folder, tensors, plan, options, collective)?,
    };
    Ok(LedGroup { model, reports })
}

/// Works as a member of a group that does not lead, until the leader says stop.
///
/// # Errors
/// The model can't be loaded, the group is not as large as the plan, or another member fails or is lost.
pub fn work(folder: &Path, plan: &Plan, options: &GroupOptions, collective: Arc<dyn Collective>) -> Result<()> {
    match options.load.backend()? {
        Chosen::Kernels(cpu) => work_on(folder, cpu, plan, options, collective),
        Chosen::Tensors(tensors) => work_on(folder, tensors, plan, options, collective),
    }
}

/// What a member runs, if it computes, and who answers for its share of the weights, if it has one.
type Network<B> = (Option<Arc<UNet3D<B>>>, Option<Answering>);

type Led = (Box<dyn VideoModel>, Arc<Mutex<Vec<MemberReport>>>);

/// A model's configurations.
struct Configs {
    unet: UNet3DConfig,
    vae: VaeConfig,
    text: ClipTextConfig,
}

impl Configs {
    fn read(folder: &Path) -> Result<Self> {
        check_index(folder)?;
        let config = |name: &str| folder.join(name).join("config.json");
        let (unet, vae) = (UNet3DConfig::read(&config("unet"))?, VaeConfig::read(&config("vae"))?);
        let text = ClipTextConfig::read(&config("text_encoder"))?;
        check_parts(folder, &text, &unet, &vae)?;
        Ok(Self { unet, vae, text })
    }
}

/// What a member runs, made so that members of one process can share it.
struct Loader<'a, B: Backend + Clone> {
    folder: &'a Path,
    backend: B,
    configs: Configs,
    plan: &'a Plan,
    options: &'a GroupOptions,
}

impl<'a, B: Backend + Clone> Loader<'a, B> {
    fn new(folder: &'a Path, backend: B, plan: &'a Plan, options: &'a GroupOptions) -> Result<Self> {
        let configs = Configs::read(folder)?;
        plan.level_ranges(configs.unet.levels.len())?;
        Ok(Self { folder, backend, configs, plan, options })
    }

    fn is_lean(&self) -> bool {
        self.options.lean || self.plan.weights != Holding::Resident
    }

    fn unet_weights(&self) -> Result<Weights> {
        Ok(Weights::open(&self.folder.join("unet"))?)
    }

    fn decoder(&self) -> Result<Decoder<B>> {
        let (folder, config, backend) = (self.folder.join("vae"), self.configs.vae.clone(), self.backend.clone());
        if self.is_lean() {
            return Ok(Decoder::OnDemand { folder, config, backend });
        }
        Ok(Decoder::Loaded(Arc::new(Vae::load(backend, config, Weights::open(&folder)?, false)?)))
    }

    fn text(&self) -> Result<TextEncoder> {
        let (folder, config) = (self.folder.join("text_encoder"), self.configs.text.clone());
        if self.is_lean() {
            return Ok(TextEncoder::OnDemand { folder, config });
        }
        Ok(TextEncoder::Loaded(Box::new(ClipText::load(config, &Weights::open(&folder)?)?)))
    }

    /// Whether a unit runs on a stage.
    fn runs(&self, stage: usize) -> Result<impl Fn(&Unit) -> bool + use<B>> {
        let levels = self.plan.level_ranges(self.configs.unet.levels.len())?[stage].clone();
        Ok(move |unit: &Unit| {
            matches!(unit.kind, crate::models::unet3d::UnitKind::Time(_)) || levels.contains(&unit.level)
        })
    }

    /// Numbers of a stage's units, in order.
    fn order(&self, stage: usize, program: &[Unit]) -> Result<Vec<usize>> {
        let runs = self.runs(stage)?;
        Ok((0..program.len()).filter(|&unit| runs(&program[unit])).collect())
    }

    fn streamed(&self, program: &Arc<[Unit]>, stage: usize, fetch: Fetch) -> Result<UNet3D<B>> {
        let order = self.order(stage, program)?;
        let layers = Streamed::new(self.backend.clone(), Arc::clone(program), order, fetch)?;
        Ok(UNet3D::with_layers(self.backend.clone(), self.configs.unet.clone(), Arc::clone(program), Box::new(layers)))
    }

    /// The network of one member alone.
    fn unet(&self, collective: &Arc<dyn Collective>) -> Result<Network<B>> {
        let place = self.plan.place(collective.rank());
        let weights = self.unet_weights()?;
        let config = self.configs.unet.clone();
        let stage = place.map_or(0, |place| place.stage);
        match self.plan.weights {
            Holding::Resident => {
                let unet = UNet3D::load_part(self.backend.clone(), config, &weights, self.runs(stage)?)?;
                Ok((Some(Arc::new(unet)), None))
            }
            Holding::Streamed => {
                let program: Arc<[Unit]> = program(&config).into();
                check_all(&config, &program, &weights)?;
                let weights = Arc::new(weights);
                let unet = self.streamed(&program, stage, Box::new(move |_, _| Ok(Arc::clone(&weights))))?;
                Ok((Some(Arc::new(unet)), None))
            }
            Holding::Shared(parts) => {
                let program: Arc<[Unit]> = program(&config).into();
                check_all(&config, &program, &weights)?;
                let shares = Shares::read(Arc::clone(&program), &weights, collective.rank(), parts)?;
                let (shares, timeout) = (Arc::new(shares), self.options.timeout);
                let answering = Answering::start(&shares, collective, 0..self.plan.computing(), timeout)?;
                let fetch = gather(shares, Arc::clone(collective), timeout);
                let unet = place.map(|place| self.streamed(&program, place.stage, fetch)).transpose()?;
                Ok((unet.map(Arc::new), Some(answering)))
            }
        }
    }

    fn member(
        &self,
        collective: Arc<dyn Collective>,
        unet: Option<Arc<UNet3D<B>>>,
        answering: Option<Answering>,
        decoder: Decoder<B>,
        threads: usize,
    ) -> Result<Member<B>> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|i| format!("infernet-shard-{i}"))
            .build()
            .map_err(|error| EngineError::Request(format!("can't start compute threads: {error}")))?;
        let (plan, timeout) = (self.plan.clone(), self.options.timeout);
        Ok(Member { plan, collective, unet, decoder, threads, timeout, _answering: answering })
    }

    fn leader(&self, member: Member<B>, virtual_members: Vec<std::thread::JoinHandle<()>>) -> Result<Led> {
        let reports = (0..self.plan.members())
            .map(|rank| MemberReport { rank, traffic: super::Traffic::default(), peak_memory_bytes: None })
            .collect();
        let reports = Arc::new(Mutex::new(reports));
        let model = GroupModel {
            member,
            tokenizer: ClipTokenizer::read(&self.folder.join("tokenizer"))?,
            text: self.text()?,
            text_config: self.configs.text.clone(),
            unet_config: self.configs.unet.clone(),
            vae_config: self.configs.vae.clone(),
            precision: self.options.load.precision,
            virtual_members,
            reports: Arc::clone(&reports),
        };
        Ok((Box::new(model), reports))
    }

    fn threads(&self) -> usize {
        self.options.load.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// Checks that all tensors are there and no others, without reading them.
fn check_all(config: &UNet3DConfig, program: &[Unit], weights: &Weights) -> Result<()> {
    skip_unused(config, weights);
    for unit in program {
        unit.tensors().iter().try_for_each(|(name, shape)| weights.expect(name, shape))?;
    }
    Ok(weights.finish()?)
}

fn lead_on<B: Backend + Clone>(
    folder: &Path,
    backend: B,
    plan: &Plan,
    options: &GroupOptions,
    collective: Arc<dyn Collective>,
) -> Result<Led> {
    check_size(plan, collective.as_ref())?;
    let loader = Loader::new(folder, backend, plan, options)?;
    let (unet, answering) = loader.unet(&collective)?;
    let member = loader.member(collective, unet, answering, loader.decoder()?, loader.threads())?;
    loader.leader(member, Vec::new())
}

fn work_on<B: Backend + Clone>(
    folder: &Path,
    backend: B,
    plan: &Plan,
    options: &GroupOptions,
    collective: Arc<dyn Collective>,
) -> Result<()> {
    check_size(plan, collective.as_ref())?;
    let loader = Loader::new(folder, backend, plan, options)?;
    let (unet, answering) = loader.unet(&collective)?;
    let member = loader.member(collective, unet, answering, loader.decoder()?, loader.threads())?;
    follow(&member, loader.configs.unet.levels.len(), options.idle)
}

fn virtual_group<B: Backend + Clone>(
    folder: &Path,
    backend: B,
    plan: &Plan,
    options: &GroupOptions,
    group: Vec<Arc<dyn Collective>>,
) -> Result<Led> {
    let loader = Loader::new(folder, backend, plan, options)?;
    let threads = loader.threads() / plan.computing().max(1);
    // Members of one process that keep all weights keep them once.
    let shared = match plan.weights {
        Holding::Resident => {
            let config = loader.configs.unet.clone();
            Some(Arc::new(UNet3D::load(loader.backend.clone(), config, &loader.unet_weights()?)?))
        }
        Holding::Streamed | Holding::Shared(_) => None,
    };
    let decoder = loader.decoder()?;
    let mut members = Vec::new();
    for collective in group {
        check_size(plan, collective.as_ref())?;
        let (unet, answering) = match &shared {
            Some(unet) => (Some(Arc::clone(unet)), None),
            None => loader.unet(&collective)?,
        };
        let decoder = match &decoder {
            Decoder::Loaded(vae) => Decoder::Loaded(Arc::clone(vae)),
            Decoder::OnDemand { .. } => loader.decoder()?,
        };
        members.push(loader.member(collective, unet, answering, decoder, threads)?);
    }
    let mut members = members.into_iter();
    let leader = members.next().ok_or_else(|| EngineError::Request("a group needs a member".to_owned()))?;
    let (levels, idle) = (loader.configs.unet.levels.len(), options.idle);
    let followers = members
        .map(|member| {
            std::thread::Builder::new()
                .name(format!("infernet-member-{}", member.collective.rank()))
                .spawn(move || {
                    if let Err(error) = follow(&member, levels, idle) {
                        tracing::debug!(%error, "a member of a group ended");
                    }
                })
                .map_err(|error| EngineError::Request(format!("can't start a member's thread: {error}")))
        })
        .collect::<Result<Vec<_>>>()?;
    loader.leader(leader, followers)
}
