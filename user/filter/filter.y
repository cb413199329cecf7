/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The grammar of an expression (filter/filter.h). */
%code requires {
#include "filter/parse.h"
}

%code top {
#include <stdio.h>
#include <string.h>
}

%code {
/* A rule's bytes: from the first part to the last part; none for an empty rule. */
#define YYLLOC_DEFAULT(current, parts, count)                                                                          \
	do {                                                                                                           \
		(current).begin = (count) ? YYRHSLOC(parts, 1).begin : YYRHSLOC(parts, 0).end;                         \
		(current).end = YYRHSLOC(parts, count).end;                                                            \
	} while (0)

int filter_scan_lex(FILTER_YYSTYPE *value, FILTER_YYLTYPE *span, void *scanner);
int filter_scan_lex_init_extra(struct parse *parse, void **scanner);
int filter_scan_lex_destroy(void *scanner);
struct yy_buffer_state *filter_scan__scan_bytes(const char *bytes, int length, void *scanner);

#define filter_yylex filter_scan_lex

static void filter_yyerror(const struct filter_span *span, struct parse *parse, void *scanner, const char *message);
}

%define api.pure full
%define api.prefix {filter_yy}
%define api.token.prefix {FILTER_YY_}
%define api.location.type {struct filter_span}
%define parse.error custom
%define parse.lac full
%locations
%initial-action { @$ = (struct filter_span){}; }
%parse-param {struct parse *parse} {void *scanner}
%lex-param {void *scanner}

%union {
	const char *text;
	struct literal *literal;
	const struct filter_node *node;
	enum filter_operator operator;
}

%token END 0 "the end"
%token OR "or"
%token AND "and"
%token NOT "not"
%token IN "in"
%token MATCHES "matches"
%token NULL "null"
%token EQUAL "=="
%token NOT_EQUAL "!="
%token LESS "<"
%token LESS_EQUAL "<="
%token GREATER ">"
%token GREATER_EQUAL ">="
%token RANGE ".."
%token OPEN "("
%token CLOSE ")"
%token SET_OPEN "{"
%token SET_CLOSE "}"
%token COMMA ","
%token PLUS "+"
%token MINUS "-"
%token <text> WORD
%token <text> STRING

%left OR
%left AND
%precedence NOT

%type <node> expression test
%type <operator> comparison
%type <literal> literal plain operand member members

%%

whole:
	expression { parse->root = $expression; }
	;

expression:
	expression[left] OR expression[right]
		{ $$ = parse_node(parse, FILTER_OR, $left, $right); if (!$$) YYABORT; }
	| expression[left] AND expression[right]
		{ $$ = parse_node(parse, FILTER_AND, $left, $right); if (!$$) YYABORT; }
	| NOT expression[left]
		{ $$ = parse_node(parse, FILTER_NOT, $left, NULL); if (!$$) YYABORT; }
	| OPEN expression[inner] CLOSE { $$ = $inner; }
	| test
	;

test:
	WORD
		{ $$ = parse_test(parse, $WORD, @WORD, FILTER_EQUAL, @WORD, NULL); if (!$$) YYABORT; }
	| WORD comparison literal
		{ $$ = parse_test(parse, $WORD, @WORD, $comparison, @comparison, $literal); if (!$$) YYABORT; }
	| WORD IN operand
		{ $$ = parse_test(parse, $WORD, @WORD, FILTER_IN, @IN, $operand); if (!$$) YYABORT; }
	| WORD NOT IN operand
		{
			$$ = parse_test(parse, $WORD, @WORD, FILTER_IN, @IN, $operand);
			$$ = $$ ? parse_node(parse, FILTER_NOT, $$, NULL) : NULL;
			if (!$$)
				YYABORT;
		}
	| WORD NOT MATCHES literal
		{
			$$ = parse_test(parse, $WORD, @WORD, FILTER_MATCHES, @MATCHES, $literal);
			$$ = $$ ? parse_node(parse, FILTER_NOT, $$, NULL) : NULL;
			if (!$$)
				YYABORT;
		}
	;

comparison:
	EQUAL { $$ = FILTER_EQUAL; }
	| NOT_EQUAL { $$ = FILTER_NOT_EQUAL; }
	| LESS { $$ = FILTER_LESS; }
	| LESS_EQUAL { $$ = FILTER_LESS_EQUAL; }
	| GREATER { $$ = FILTER_GREATER; }
	| GREATER_EQUAL { $$ = FILTER_GREATER_EQUAL; }
	| MATCHES { $$ = FILTER_MATCHES; }
	;

operand:
	member
	| SET_OPEN members SET_CLOSE { $$ = $members; }
	;

/* The last member stands first. */
members:
	member
	| members[others] COMMA member { $member->next = $others; $$ = $member; }
	;

member:
	literal
	| literal[low] RANGE literal[high] { $low->high = $high; $low->span.end = @high.end; $$ = $low; }
	;

literal:
	plain
	| WORD PLUS WORD[offset]
		{
			$$ = parse_literal(parse, LITERAL_WORD, $1, @$);
			if (!$$)
				YYABORT;
			$$->offset = $offset;
		}
	| WORD MINUS WORD[offset]
		{
			$$ = parse_literal(parse, LITERAL_WORD, $1, @$);
			if (!$$)
				YYABORT;
			$$->offset = $offset;
			$$->negative = true;
		}
	;

plain:
	WORD { $$ = parse_literal(parse, LITERAL_WORD, $WORD, @$); if (!$$) YYABORT; }
	| STRING { $$ = parse_literal(parse, LITERAL_STRING, $STRING, @$); if (!$$) YYABORT; }
	| NULL { $$ = parse_literal(parse, LITERAL_NULL, "null", @$); if (!$$) YYABORT; }
	;

%%

enum {
	EXPECTED_MAX = 32, /* more than the grammar's tokens */
	EXPECTED_TEXT_MAX = 128,
};

/* Tokens that may come next. */
struct expected {
	yysymbol_kind_t symbol[EXPECTED_MAX];
	int count;
};

static bool is_expected(const struct expected *expected, yysymbol_kind_t symbol)
{
	for (int index = 0; index < expected->count; index++)
		if (expected->symbol[index] == symbol)
			return true;
	return false;
}

static void append(char text[EXPECTED_TEXT_MAX], const char *part)
{
	size_t length = strlen(text);

	snprintf(text + length, EXPECTED_TEXT_MAX - length, "%s%s", length ? ", " : "", part);
}

/* At the begin of a test a word is a field; elsewhere a word is a value. */
static void describe(const struct expected *expected, char text[EXPECTED_TEXT_MAX])
{
	static const struct {
		yysymbol_kind_t symbol;
		const char *text;
	} others[] = {
		{YYSYMBOL_EQUAL, "a comparison (==, !=, <, <=, >, >=, in, matches)"},
		{YYSYMBOL_AND, "and"},
		{YYSYMBOL_OR, "or"},
		{YYSYMBOL_RANGE, ".."},
		{YYSYMBOL_OPEN, "("},
		{YYSYMBOL_CLOSE, ")"},
		{YYSYMBOL_SET_OPEN, "{"},
		{YYSYMBOL_SET_CLOSE, "}"},
		{YYSYMBOL_COMMA, "a comma"},
	};

	text[0] = '\0';
	if (is_expected(expected, YYSYMBOL_WORD))
		append(text, is_expected(expected, YYSYMBOL_OPEN) ? "a field" : "a value");
	if (is_expected(expected, YYSYMBOL_NOT) && !is_expected(expected, YYSYMBOL_EQUAL))
		append(text, "not");
	if (is_expected(expected, YYSYMBOL_IN) && !is_expected(expected, YYSYMBOL_EQUAL))
		append(text, "in, matches");
	for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++)
		if (is_expected(expected, others[index].symbol))
			append(text, others[index].text);
}

static int yyreport_syntax_error(const yypcontext_t *context, struct parse *parse, void *scanner)
{
	const struct filter_span *span = yypcontext_location(context);
	struct expected expected = {};
	char text[EXPECTED_TEXT_MAX];

	(void)scanner;
	expected.count = yypcontext_expected_tokens(context, expected.symbol, EXPECTED_MAX);
	if (expected.count < 0)
		return expected.count;
	describe(&expected, text);
	if (yypcontext_token(context) == YYSYMBOL_YYEOF || yypcontext_token(context) == YYSYMBOL_YYEMPTY)
		parse_fail(parse, *span, "the expression ends too early: expected %s", text);
	else
		parse_fail(parse, *span, "unexpected '%.*s': expected %s", (int)(span->end - span->begin),
		           parse->text + span->begin, text);
	return 0;
}

/* Bison calls this function only if its stack is full, or without memory. */
static void filter_yyerror(const struct filter_span *span, struct parse *parse, void *scanner, const char *message)
{
	(void)scanner;
	(void)message;
	parse_fail(parse, *span, "the expression is nested too deeply");
}

const struct filter_node *grammar_parse(struct parse *parse)
{
	void *scanner;

	if (filter_scan_lex_init_extra(parse, &scanner)) {
		parse->out_of_memory = true;
		return NULL;
	}
	if (filter_scan__scan_bytes(parse->text, parse->length, scanner))
		filter_yyparse(parse, scanner);
	filter_scan_lex_destroy(scanner);
	return parse->failed || parse->out_of_memory ? NULL : parse->root;
}
