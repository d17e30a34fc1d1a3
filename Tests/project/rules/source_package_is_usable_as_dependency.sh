#!/bin/bash
# Package.swift has no unsafeFlags (they forbid use as a dependency) and depends on no other package.
set -euo pipefail
! grep -nE 'unsafeFlags|\.package\(' Package.swift
