// What Kernels/cpu/names.h asks of another list of rules.
#define LIBRARY made_up
#define RULE_LIST "../../Tests/MadeUpRules/list.inc"
#define RULE_FOLDER ../../Tests/MadeUpRules
