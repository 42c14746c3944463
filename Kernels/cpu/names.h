// Names of a variant, made from the NAME and FILE_ of its block in a list of rules. Another list
// than the package's own defines LIBRARY, RULE_LIST and RULE_FOLDER, paths from here.
#ifndef LIBRARY
#define LIBRARY descent
#define RULE_LIST "../rules/list.inc"
#define RULE_FOLDER ../rules
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define STRING_(text) #text
#define STRING(text) STRING_(text)

#define RULE JOIN(NAME, rule)
#define SCALARS JOIN(NAME, scalars)
#define RULE_FILE STRING(RULE_FOLDER/FILE_)
#define UPDATE JOIN(JOIN(NAME, update), INSTRUCTIONS)
