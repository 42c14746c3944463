#!/usr/bin/env bash
# Draws the guide's pictures again, and makes the DocC article from the guide. The guide itself,
# Documentation/Optimizers.md, is written by hand; a test compares its captions with the
# experiments, and the article with the guide.
set -euo pipefail
cd "$(dirname "$0")/.."
DESCENT=${DESCENT:-.build/release/descent}

"$DESCENT" figure all --output-folder Documentation/figures
"$DESCENT" race --surface saddle \
  --rule sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,adamw,amsgrad \
  --output Documentation/race.svg --animate

catalog=Sources/Descent/Descent.docc
mkdir -p $catalog/Resources
cp Documentation/figures/*.svg $catalog/Resources/
# DocC finds pictures by their names only.
sed 's|](figures/|](|' Documentation/Optimizers.md >$catalog/Optimizers.md
