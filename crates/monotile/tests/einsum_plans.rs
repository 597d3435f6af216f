//! The plans of many equations as a file beside this one, so that a change of the planner shows.
//!
//! After a change that is meant: `MONOTILE_UPDATE=1 cargo test --release -p monotile --test einsum_plans`.

use std::fmt::Write;
use std::path::PathBuf;

use monotile::einsum::Einsum;

/// Equations with the sizes of their labels, in alphabetical order; a size alone is every label's.
const EQUATIONS: &[(&str, &[usize])] = &[
    ("i->", &[9]),
    ("ii->", &[9]),
    ("ii->i", &[9]),
    ("ij->ji", &[9]),
    ("iij->j", &[9]),
    ("ijk->kji", &[9]),
    ("i,i->", &[9]),
    ("i,i->i", &[9]),
    ("i,j->ij", &[9]),
    ("i,j->", &[9]),
    (",i->i", &[9]),
    ("ij,j->i", &[9]),
    ("ij,j->ij", &[9]),
    ("ij,ij->", &[9]),
    ("ij,ij->i", &[9]),
    ("ij,ij->j", &[9]),
    ("ij,ji->ij", &[9]),
    ("ij,jk->ik", &[512]),
    ("ij,kj->ki", &[512]),
    ("ji,jk->ki", &[512]),
    ("bij,bjk->bik", &[8, 64, 64, 64]),
    ("bthd,bshd->bhts", &[2, 64, 8, 512, 512]),
    ("bhts,bshd->bthd", &[2, 64, 8, 512, 512]),
    ("abcd,cdef->abef", &[16, 16, 32, 32, 16, 16]),
    ("abcd,dbea->ec", &[24]),
    ("ijkl,jmln->ikmn", &[32]),
    ("bi,oij,bj->bo", &[64, 128, 128, 128]),
    ("ij,jk,kl->il", &[64, 2, 64, 2]),
    ("ij,jk,kl,lm->im", &[512, 8, 512, 8, 512]),
    ("ij,jk,kl,lm,mn->in", &[9, 70, 3, 41, 8, 90]),
    ("bgk,bkd,bk->bgd", &[2, 50, 10, 100]),
    ("a,b,abc->c", &[2, 2, 1000]),
    ("a,b,abc->abc", &[2, 2, 1000]),
    ("ab,cd,ef->abcdef", &[3]),
    ("ab,ab,c->", &[9]),
    ("ab,ab,cd,cd->", &[9]),
    ("ab,bc,cd,da->", &[16]),
    ("ab,bc,ca->abc", &[16]),
    ("aij,bij,ajk,bjk->ik", &[4, 5, 6, 7, 8]),
    ("abi,bcj,cdk,dal->ijkl", &[16, 16, 16, 16, 6, 6, 6, 6]),
    ("abi,bcj,cdk,del,efm,fgn,gho,hap,ijkl,mnop->", &[16, 16, 16, 16, 16, 16, 16, 16, 6, 6, 6, 6, 6, 6, 6, 6]),
    ("ea,fb,abcd,gc,hd->efgh", &[24]),
    ("ea,fb,gc,hd,abcd->efgh", &[5, 6, 7, 8, 2, 3, 4, 9]),
    ("ab,ac,ad,ae,af->a", &[7]),
    ("ab,ac,ad,ae,af->bcdef", &[7]),
    ("ab,bc,cd,de,ef,fa->ad", &[3, 4, 5, 6, 7, 8]),
    ("abc,bcd,cde,def,efa,fab->", &[3, 4, 5, 6, 7, 8]),
    ("abx,bcy,cdz,dew,efxyzw,fa->", &[3]),
    ("ab,bc,de,ef,gh,hi->acdfgi", &[4]),
    ("ij,ik,il,im->jklm", &[5]),
    ("ij,ij,ij,ij->", &[8]),
    ("ijk,ijk,jk,k->i", &[8]),
    ("abcd,efgh,aebf,cgdh->", &[4]),
    ("abcd,abce,abdf,efcd->", &[4]),
    ("ab,cb,cd,ed,ef,gf,gh->ah", &[2, 3, 4, 5, 6, 7, 8, 9]),
    ("abc,cde,efg,ghi,ijk->abdfhjk", &[3]),
    ("ai,bi,ci,di,ei->abcde", &[2, 3, 4, 5, 6, 100]),
    ("aij,bjk,ckl,dli->abcd", &[3, 3, 3, 3, 9, 9, 9, 9]),
    ("abcde,fa,gb,hc,id,je->fghij", &[6]),
    ("ab,bc,cd,de,ef,fg,gh,hi,ij,jk,kl,lm->am", &[90, 3, 40, 2, 50, 7, 60, 2, 30, 80, 5, 70, 40]),
];

fn plan(equation: &str, sizes: &[usize]) -> String {
    let (inputs, _) = equation.split_once("->").unwrap();
    let mut labels: Vec<char> = inputs.chars().filter(|c| *c != ',').collect();
    labels.sort_unstable();
    labels.dedup();
    let size = |c: char| if let [one] = sizes { *one } else { sizes[labels.binary_search(&c).unwrap()] };
    let shapes: Vec<Vec<usize>> = inputs.split(',').map(|t| t.chars().map(size).collect()).collect();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let report = Einsum::new(equation).unwrap().compile(&shapes).unwrap().explain();
    let mut text = format!("{equation}  {sizes:?}\n");
    for step in &report.steps {
        writeln!(text, "    {}  {}  {}", step.equation, step.kind, step.operations).unwrap();
    }
    writeln!(text, "    = {} of {}, largest {}, peak {}", report.operations, report.left_to_right, report.largest, report.peak)
        .unwrap();
    text
}

#[test]
fn plans_are_those_of_the_file() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/einsum_plans.txt");
    let plans: String = EQUATIONS.iter().map(|(equation, sizes)| plan(equation, sizes)).collect();
    if std::env::var_os("MONOTILE_UPDATE").is_some() {
        std::fs::write(&path, &plans).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let line = plans.lines().zip(expected.lines()).enumerate().find(|(_, (got, expected))| got != expected);
    assert!(line.is_none(), "line {} of the file: {:?}", line.unwrap().0 + 1, line.unwrap().1);
    assert_eq!(plans.lines().count(), expected.lines().count());
}
