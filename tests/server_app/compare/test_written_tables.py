"""Tables as Markdown and as LaTeX."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_app.compare import latex, markdown
from server_app.compare.text_table import TextTable
from server_app.report.markup import Column

TABLE = TextTable(
    "Accuracy",
    (Column("Method", numeric=False), Column("95% interval")),
    (("a_b|c", "-1.0 to +2.0"), ("d & #e", "0.5 ± 0.1")),
    frozenset({(1, 1)}),
)
SPECIAL = '\\&%$#_{}~^<>|"[]*'


def test_markdown():
    assert markdown.markdown([TABLE], ["One `note`."]) == (
        "**Accuracy**\n"
        "\n"
        "| Method | 95% interval |\n"
        "| :--- | ---: |\n"
        "| a\\_b\\|c | -1.0 to +2.0 |\n"
        "| d \\& \\#e | **0.5 ± 0.1** |\n"
        "\n"
        "- One \\`note\\`.\n"
    )


def test_latex():
    assert latex.latex([TABLE], "3 seeds, cifar_10.", ["A note\nof 5%."]) == "\n".join(
        [
            r"% Needs \usepackage{booktabs}.",
            r"% A note of 5%.",
            r"\begin{table}",
            r"  \centering\scriptsize\setlength{\tabcolsep}{2pt}",
            r"  \caption{Accuracy: 3 seeds, cifar\_10.}",
            r"  \label{tab:comparison-accuracy}",
            r"  \begin{tabular}{@{}lr@{}}",
            r"    \toprule",
            r"    \begin{tabular}[b]{@{}l@{}}Method\end{tabular} & "
            r"\begin{tabular}[b]{@{}r@{}}95\% \\ interval\end{tabular} \\",
            r"    \midrule",
            r"    a\_b\textbar{}c & $-$1.0 to +2.0 \\",
            r"    d \& \#e & \textbf{0.5 $\pm$ 0.1} \\",
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def test_long_names_of_rows_stand_on_several_lines():
    long = TextTable("A", TABLE.columns, (("FedProto (proto-weight 10.0)", "1"),))
    stacked = r"\begin{tabular}[t]{@{}l@{}}FedProto \\ (proto-weight 10.0)\end{tabular} & 1 \\"
    assert stacked in latex.latex([long], "", [])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50% of $x_1^2$", r"50\% of \$x\_1\textasciicircum{}2\$"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a~b #1 & [c]*", r"a\textasciitilde{}b \#1 \& {[}c{]}{*}"),
        ("one—two, é, 中", "one---two, e, ?"),
        ("fp-16 at -1", "fp-16 at $-$1"),
        ("a\n\n\x1bb", "a b"),
    ],
)
def test_latex_shows_text_as_it_is(text, written):
    assert latex.escaped(text) == written


@given(st.text(alphabet=st.one_of(st.sampled_from(SPECIAL), st.characters())))
def test_no_text_is_a_command_or_ends_a_cell(text):
    written = latex.escaped(text)
    assert written.isascii()
    # What is left when all that is escaped is taken away.
    rest = re.sub(r"\\[&%$#_{}]|\\(text[a-z]+|ldots)\{\}|\$-\$|\$\\pm\$|\{[\[\]*]\}", "", written)
    assert not set(rest) & set(SPECIAL + "\n\r")


@given(st.text(alphabet=st.one_of(st.sampled_from(SPECIAL), st.characters())))
def test_no_text_is_markdown(text):
    written = markdown.escaped(text)
    rest = re.sub(r"\\([^\w\s]|_)", "", written)
    assert not set(rest) & set("\\`*_{}[]<>#|~\n\r")
