// Rules that exist for the tests of what rules may declare; the same in Swift:
// Tests/DescentTests/MadeUpRules.swift
#pragma once

// A constant descent_library.
const void *made_up_library(void);
