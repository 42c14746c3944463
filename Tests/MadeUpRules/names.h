// The macros that Kernels/cpu/names.h requires for another list of rules.
#define LIBRARY made_up
#define RULE_LIST "../../Tests/MadeUpRules/list.inc"
#define RULE_FOLDER ../../Tests/MadeUpRules
