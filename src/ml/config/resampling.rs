//! Resampling steps: which method, with which parameters, from which chance.
//!
//! Names, parameters and defaults are imbalanced-learn's where it has the method. `check/resampling` reads them from
//! a request and knows every default.

use serde::{Deserialize, Serialize};

use super::SamplingStrategy;

/// One resampling step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResampleStep {
    #[serde(flatten)]
    pub method: ResampleMethod,
    pub sampling_strategy: SamplingStrategy,
    /// Overrides the stream derived from the job's seed.
    pub seed: Option<u64>,
    /// `numpy` draws imbalanced-learn's rows for an integer `random_state` equal to `seed`.
    pub rng: RngKind,
    /// Rounds the new rows' values of columns that hold whole numbers only.
    #[serde(default)]
    pub keep_integers: bool,
    /// Of rows that are pictures, for methods that look for neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
}

/// Where pictures are near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// By their pixels, as networks read them.
    Pixels,
    /// By what a small network, trained on the training rows, makes of them before its logit.
    Embedding,
}

impl ResampleStep {
    /// Whether its neighbours are those in the embedding.
    pub fn embeds(&self) -> bool {
        self.space == Some(Space::Embedding)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RngKind {
    Default,
    Numpy,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ResampleMethod {
    RandomOverSampler {
        /// `null`: copies. A number: a smoothed bootstrap of that width (ROSE).
        shrinkage: Option<f64>,
    },
    Smote {
        k_neighbors: usize,
    },
    Smotenc {
        k_neighbors: usize,
    },
    Smoten {
        k_neighbors: usize,
    },
    BorderlineSmote {
        k_neighbors: usize,
        m_neighbors: usize,
        kind: BorderlineKind,
    },
    SvmSmote {
        k_neighbors: usize,
        m_neighbors: usize,
        /// How far beyond a safe support vector new rows may lie, as a share of the way to its neighbour.
        out_step: f64,
    },
    KmeansSmote {
        k_neighbors: usize,
        /// Clusters that all rows are divided into.
        kmeans_estimator: usize,
        /// The least share of the class in a cluster that gets rows.
        cluster_balance_threshold: AutoOr,
        density_exponent: AutoOr,
    },
    Adasyn {
        n_neighbors: usize,
    },
    RandomUnderSampler {
        replacement: bool,
    },
    ClusterCentroids {
        voting: Voting,
    },
    NearMiss {
        version: u8,
        n_neighbors: usize,
        n_neighbors_ver3: usize,
    },
    InstanceHardnessThreshold {
        estimator: HardnessEstimator,
        /// Folds of the cross-validation.
        cv: usize,
    },
    CondensedNearestNeighbour {
        n_neighbors: usize,
        #[serde(rename = "n_seeds_S")]
        n_seeds_s: usize,
    },
    OneSidedSelection {
        n_neighbors: usize,
        #[serde(rename = "n_seeds_S")]
        n_seeds_s: usize,
    },
    TomekLinks,
    EditedNearestNeighbours {
        n_neighbors: usize,
        kind_sel: KindSel,
    },
    RepeatedEditedNearestNeighbours {
        n_neighbors: usize,
        kind_sel: KindSel,
        max_iter: usize,
    },
    AllKnn {
        n_neighbors: usize,
        kind_sel: KindSel,
        allow_minority: bool,
    },
    NeighbourhoodCleaningRule {
        n_neighbors: usize,
        threshold_cleaning: f64,
    },
    SmoteTomek {
        k_neighbors: usize,
    },
    Smoteenn {
        k_neighbors: usize,
        n_neighbors: usize,
        kind_sel: KindSel,
    },
    PolynomFitSmote {
        topology: Topology,
    },
    Prowsyn {
        n_neighbors: usize,
        /// Levels of proximity to the majority.
        levels: usize,
        /// How fast the weight falls from level to level.
        theta: f64,
    },
    GeometricSmote {
        k_neighbors: usize,
        truncation_factor: f64,
        deformation_factor: f64,
        selection_strategy: SelectionStrategy,
    },
    Mixup {
        alpha: f64,
    },
    GaussianNoise {
        /// In standard deviations of each column within the class.
        std: f64,
    },
}

/// A number, or the method's own rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AutoOr {
    Number(f64),
    Auto(Auto),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    Auto,
}

/// Which neighbours the lines of Borderline-SMOTE end at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BorderlineKind {
    /// Those of the class.
    #[serde(rename = "borderline-1")]
    One,
    /// Those of both classes; towards the other class at most half of the way.
    #[serde(rename = "borderline-2")]
    Two,
}

/// What becomes of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voting {
    /// As `soft`.
    Auto,
    /// Its nearest row.
    Hard,
    /// Its centre, a new row.
    Soft,
}

/// Which neighbours decide whether a row stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindSel {
    /// All must be of its class.
    All,
    /// Most must be of its class.
    Mode,
}

/// What tells how hard a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HardnessEstimator {
    Logistic,
}

/// What the new rows of polynom-fit-SMOTE lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Lines from each row to the mean of the class.
    Star,
    /// Lines from each row to the next.
    Bus,
    /// Midpoints of pairs.
    Mesh,
}

/// Where the surface of Geometric SMOTE's spheres is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionStrategy {
    /// At the nearer of the two.
    Combined,
    /// At the nearest row of the majority.
    Majority,
    /// At a near row of the class.
    Minority,
}

impl ResampleMethod {
    /// The name in configurations and reports.
    pub fn name(&self) -> &'static str {
        match self {
            ResampleMethod::RandomOverSampler { .. } => "random_over_sampler",
            ResampleMethod::Smote { .. } => "smote",
            ResampleMethod::Smotenc { .. } => "smotenc",
            ResampleMethod::Smoten { .. } => "smoten",
            ResampleMethod::BorderlineSmote { .. } => "borderline_smote",
            ResampleMethod::SvmSmote { .. } => "svm_smote",
            ResampleMethod::KmeansSmote { .. } => "kmeans_smote",
            ResampleMethod::Adasyn { .. } => "adasyn",
            ResampleMethod::RandomUnderSampler { .. } => "random_under_sampler",
            ResampleMethod::ClusterCentroids { .. } => "cluster_centroids",
            ResampleMethod::NearMiss { .. } => "near_miss",
            ResampleMethod::InstanceHardnessThreshold { .. } => "instance_hardness_threshold",
            ResampleMethod::CondensedNearestNeighbour { .. } => "condensed_nearest_neighbour",
            ResampleMethod::OneSidedSelection { .. } => "one_sided_selection",
            ResampleMethod::TomekLinks => "tomek_links",
            ResampleMethod::EditedNearestNeighbours { .. } => "edited_nearest_neighbours",
            ResampleMethod::RepeatedEditedNearestNeighbours { .. } => "repeated_edited_nearest_neighbours",
            ResampleMethod::AllKnn { .. } => "all_knn",
            ResampleMethod::NeighbourhoodCleaningRule { .. } => "neighbourhood_cleaning_rule",
            ResampleMethod::SmoteTomek { .. } => "smote_tomek",
            ResampleMethod::Smoteenn { .. } => "smoteenn",
            ResampleMethod::PolynomFitSmote { .. } => "polynom_fit_smote",
            ResampleMethod::Prowsyn { .. } => "prowsyn",
            ResampleMethod::GeometricSmote { .. } => "geometric_smote",
            ResampleMethod::Mixup { .. } => "mixup",
            ResampleMethod::GaussianNoise { .. } => "gaussian_noise",
        }
    }

    /// How many neighbours within the class the method makes rows from, where it does.
    pub fn neighbours(&self) -> Option<usize> {
        match *self {
            ResampleMethod::Smote { k_neighbors }
            | ResampleMethod::Smotenc { k_neighbors }
            | ResampleMethod::Smoten { k_neighbors }
            | ResampleMethod::BorderlineSmote { k_neighbors, .. }
            | ResampleMethod::SvmSmote { k_neighbors, .. }
            | ResampleMethod::KmeansSmote { k_neighbors, .. }
            | ResampleMethod::Adasyn { n_neighbors: k_neighbors }
            | ResampleMethod::SmoteTomek { k_neighbors }
            | ResampleMethod::Smoteenn { k_neighbors, .. }
            | ResampleMethod::GeometricSmote { k_neighbors, .. } => Some(k_neighbors),
            _ => None,
        }
    }

    /// Whether two draws from the same rows may differ.
    pub fn draws(&self) -> bool {
        !matches!(
            self,
            ResampleMethod::TomekLinks
                | ResampleMethod::NearMiss { .. }
                | ResampleMethod::EditedNearestNeighbours { .. }
                | ResampleMethod::RepeatedEditedNearestNeighbours { .. }
                | ResampleMethod::AllKnn { .. }
                | ResampleMethod::NeighbourhoodCleaningRule { .. }
        )
    }

    /// Why the method cannot go by an embedding of pictures, if it cannot: it must leave rows as they are, or make them between
    /// two others, so that what it makes can be made of their pixels.
    pub fn no_embedding(&self) -> Option<&'static str> {
        match self {
            ResampleMethod::RandomOverSampler { .. }
            | ResampleMethod::RandomUnderSampler { .. }
            | ResampleMethod::PolynomFitSmote { .. }
            | ResampleMethod::Mixup { .. }
            | ResampleMethod::GaussianNoise { .. } => Some("the method looks for no neighbours"),
            ResampleMethod::GeometricSmote { .. } => {
                Some("the method makes rows that do not lie between two others, of which there are no pixels")
            }
            ResampleMethod::ClusterCentroids { voting: Voting::Auto | Voting::Soft } => {
                Some("the centre of a cluster has no pixels; \"voting\": \"hard\" keeps the nearest picture")
            }
            _ => None,
        }
    }

    /// Whether the method may compute rows that were not there.
    pub fn makes_rows(&self) -> bool {
        self.adds_rows() || matches!(self, ResampleMethod::ClusterCentroids { .. })
    }

    /// Whether the method may add rows.
    pub fn adds_rows(&self) -> bool {
        self.neighbours().is_some()
            || matches!(
                self,
                ResampleMethod::RandomOverSampler { .. }
                    | ResampleMethod::PolynomFitSmote { .. }
                    | ResampleMethod::Prowsyn { .. }
                    | ResampleMethod::Mixup { .. }
                    | ResampleMethod::GaussianNoise { .. }
            )
    }
}
