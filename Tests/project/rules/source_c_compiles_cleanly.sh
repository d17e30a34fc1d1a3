#!/bin/bash
# The program, the C hosts and the C examples compile without a warning, with gcc and clang.
set -euo pipefail
for file in cli/*.c Tests/c/*.c examples/c/*.c; do
    gcc -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -Iinclude "$file"
    clang -std=c99 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only -Iinclude "$file"
done
