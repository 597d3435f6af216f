//! Which layers of a model an adapter's settings name.

use monotile::{Error, ErrorKind, Result};
use monotile_adapters::{LoraConfig, TargetModules, is_named};

use crate::config::Config;
use crate::linear::{LinearKind, LinearLayer};

/// Rank and scaling of one adapted layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptedLayer {
    /// The layer.
    pub layer: LinearLayer,
    /// Its rank.
    pub rank: usize,
    /// What B · A is multiplied by.
    pub scaling: f64,
}

impl Config {
    /// The layers of this model that an adapter's settings name, each with its rank and scaling, in the model's order.
    ///
    /// # Errors
    /// `Value`, if a name fits no layer (so that a slip of the pen does not train less than was asked for), no layer is left, or the
    /// rank is zero or above what a layer can have; `Unsupported` for targets that are no linear layers.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, lora::LoraConfig};
    /// let adapted_layers = Config::default().adapted_layers(&LoraConfig::default())?;
    /// assert_eq!(adapted_layers.len(), 4); // two blocks, two layers each
    /// assert_eq!((adapted_layers[0].layer.to_string().as_str(), adapted_layers[0].scaling), ("model.layers.0.self_attn.q_proj", 2.0));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn adapted_layers(&self, lora: &LoraConfig) -> Result<Vec<AdaptedLayer>> {
        let adapted = self.adapted_layers_of_any_rank(lora)?;
        let too_large = |adapted: &&AdaptedLayer| {
            let [rows, columns] = self.shape(adapted.layer.kind());
            adapted.rank > rows.min(columns)
        };
        match adapted.iter().find(too_large) {
            Some(&AdaptedLayer { layer, rank, .. }) => Err(refuse_rank(rank, layer, self)),
            None => Ok(adapted),
        }
    }

    /// [`adapted_layers`](Config::adapted_layers) whose rank may be above what ΔW can have, as that of a start that is subtracted.
    pub(crate) fn adapted_layers_of_any_rank(&self, lora: &LoraConfig) -> Result<Vec<AdaptedLayer>> {
        let layers: Vec<LinearLayer> = LinearLayer::all(self.num_hidden_layers).collect();
        refuse_useless_names(&lora.targets, &layers)?;
        let selector = lora.selector()?;
        let adapted = |layer: LinearLayer| {
            let (rank, scaling) = selector.rank_and_scaling(&layer.to_string())?;
            if rank == 0 {
                return Err(refuse_rank(rank, layer, self));
            }
            Ok(AdaptedLayer { layer, rank, scaling })
        };
        let chosen = layers.into_iter().map(|layer| Ok(selector.includes(&layer.to_string())?.then_some(layer)));
        let adapted: Vec<AdaptedLayer> =
            chosen.filter_map(Result::transpose).map(|layer| layer.and_then(adapted)).collect::<Result<_>>()?;
        if adapted.is_empty() {
            return Err(Error::value(
                "lora: no layer of the model is left after target_modules, exclude_modules and layers_to_transform",
            ));
        }
        Ok(adapted)
    }
}

fn refuse_useless_names(targets: &TargetModules, layers: &[LinearLayer]) -> Result<()> {
    let TargetModules::Names(names) = targets else { return Ok(()) };
    let known = || LinearKind::BLOCK.map(LinearKind::name).join(", ");
    for name in names {
        if name.ends_with("embed_tokens") {
            let message = "lora: target module \"embed_tokens\" is an embedding; only linear layers are adapted";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if !layers.iter().any(|layer| is_named(&layer.to_string(), name)) {
            return Err(Error::value(format!("lora: target module {name:?} is in no layer; there are {}, lm_head", known())));
        }
    }
    Ok(())
}

fn refuse_rank(rank: usize, layer: LinearLayer, model: &Config) -> Error {
    let [rows, columns] = model.shape(layer.kind());
    let most = rows.min(columns);
    Error::value(format!("lora: rank {rank} does not fit {layer}, {rows} by {columns}; 1 to {most} do"))
}

#[cfg(test)]
mod tests;
