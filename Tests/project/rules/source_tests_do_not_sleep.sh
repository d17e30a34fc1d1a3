#!/bin/bash
# Tests wait for events. What sleeps is either too short on a slow machine or too long on a fast one.
set -euo pipefail
! grep -rnE '\b(u|nano|clock_nano)?sleep *\(|\b(Task|asyncio|time)\.sleep|^[^#]*\bsleep [0-9]' Tests \
    --include='*.swift' --include='*.c' --include='*.h' --include='*.py' --include='*.sh' --exclude-dir=rules
