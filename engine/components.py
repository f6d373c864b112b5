"""The modules that declare components. Importing this one fills the registry; a new module is named here once."""

import engine.averaging
import engine.clipping
import engine.data.augmentation
import engine.data.preprocessing
import engine.data.sources
import engine.initializers
import engine.layers
import engine.losses
import engine.metrics
import engine.optimizers
import engine.penalties
import engine.schedules
import engine.stopping  # noqa: F401
