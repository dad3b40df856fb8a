# rms::validate on one cohort, timed inside R. Called by optimism_vs_rms.py:
#   Rscript rms_validate.R DATA.csv RESAMPLES SEED FOLDER
# Writes into FOLDER: figures.csv (index, apparent, optimism, corrected, n), seconds.csv, rows.csv (the resamples
# that validate drew from this seed, one column each, positions from 1), from which another program can recompute.
suppressPackageStartupMessages(library(rms))
options(warn = 1)

given <- commandArgs(trailingOnly = TRUE)
n_resamples <- as.integer(given[2])
seed <- as.integer(given[3])
folder <- given[4]

women <- read.csv(given[1])
women$poor <- as.integer(women$Oocytes <= 6)
fit <- lrm(poor ~ Age + MeanAFC + FSH + E2, data = women, x = TRUE, y = TRUE)

set.seed(seed)
taken <- system.time(invisible(capture.output(found <- validate(fit, method = "boot", B = n_resamples))))

# validate draws sample(n, replace = TRUE) once a resample and nothing else: the same seed gives the same rows.
set.seed(seed)
rows <- replicate(n_resamples, sample(nrow(women), replace = TRUE))

kept <- unclass(found)[c("Dxy", "Slope", "B"), ]
table <- data.frame(
  index = rownames(kept), apparent = kept[, "index.orig"], optimism = kept[, "optimism"],
  corrected = kept[, "index.corrected"], n = kept[, "n"]
)
write.csv(format(table, digits = 15), file.path(folder, "figures.csv"), row.names = FALSE, quote = FALSE)
write.csv(data.frame(seconds = taken[["elapsed"]], rms = as.character(packageVersion("rms"))),
          file.path(folder, "seconds.csv"), row.names = FALSE, quote = FALSE)
write.table(rows, file.path(folder, "rows.csv"), sep = ",", row.names = FALSE, col.names = FALSE)
