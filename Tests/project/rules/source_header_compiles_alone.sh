#!/bin/bash
# The header is C99 and C++11 by itself, without a warning, with gcc and clang.
set -euo pipefail
for compiler in gcc clang; do
    command -v $compiler >/dev/null
    for language in "c -std=c99" "c -std=c17" "c++ -std=c++11" "c++ -std=c++20"; do
        $compiler -x $language -Wall -Wextra -Wpedantic -Werror -fsyntax-only include/wmproxy.h \
            $([ $compiler = clang ] && echo -Wno-pragma-once-outside-header)
    done
done
