// What is wrong with how a page looks: text that is hard to read, things that do
// not fit or cannot be told apart, fields without names.
const faults = [];
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) faults.push(`scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}`);
const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const over = (top, below) => { const a = top[3]; return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
const ground = (e) => {
  if (!e) return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  const own = parse(getComputedStyle(e).backgroundColor);
  return own[3] === 1 ? own.slice(0, 3) : over(own, ground(e.parentElement));
};
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const words = (e) => e.textContent.trim().slice(0, 30);
for (const e of document.body.querySelectorAll('*')) {
  const style = getComputedStyle(e);
  const said = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || (e.matches('input:not([type=hidden])') );
  if (said && style.visibility !== 'hidden') {
    const below = ground(e);
    const ratio = contrast(over(parse(style.color), below), below);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < needed) faults.push(`${e.tagName} ${e.className} "${e.textContent.trim().slice(0, 30)}": contrast ${ratio.toFixed(2)}`);
    if (size < 14) faults.push(`${e.tagName} "${e.textContent.trim().slice(0, 30)}": letters of ${size} px`);
  }
  const box = e.getBoundingClientRect();
  if (e.matches('button, a.button, input:not([type=hidden]):not([readonly])') && (box.height < 40 || box.width < 40)) faults.push(`${e.tagName} ${e.id}: too small to touch`);
}
// What is to be touched stands out from what is around it (WCAG 1.4.11).
for (const e of document.querySelectorAll('button, a.button, input:not([type=hidden]):not([readonly])')) {
  const style = getComputedStyle(e);
  const around = ground(e.parentElement);
  const edge = parseFloat(style.borderTopWidth) >= 1 && style.borderTopStyle === 'solid' ? over(parse(style.borderTopColor), around) : around;
  const best = Math.max(contrast(edge, around), contrast(ground(e), around));
  if (best < 3) faults.push(`${e.tagName} ${e.id} "${words(e)}": its edge has contrast ${best.toFixed(2)}`);
}
for (const sign of document.querySelectorAll('svg, img')) if (sign.getAttribute('aria-hidden') !== 'true' && !sign.getAttribute('aria-label') && !sign.getAttribute('alt')) faults.push('a picture without words');
for (const problem of document.querySelectorAll('.problem')) if (problem.getAttribute('role') !== 'alert') faults.push('a problem that nobody announces');
for (const list of document.querySelectorAll('dl > div')) if (!list.querySelector('dt') || !list.querySelector('dd')) faults.push('a list without terms');
if (!document.title.trim()) faults.push('no title');
for (const field of document.querySelectorAll('input:not([type=hidden])')) {
  if (![...field.labels].some((l) => l.textContent.trim())) faults.push(`field ${field.id}: no label`);
  for (const id of (field.getAttribute('aria-describedby') || '').split(' ').filter(Boolean)) if (!document.getElementById(id)) faults.push(`${field.id}: described by nothing`);
  if (!field.readOnly && !field.autocomplete) faults.push(`${field.id}: nothing about filling in`);
}
for (const button of document.querySelectorAll('button, a')) if (!button.textContent.trim()) faults.push('a button without words');
if (document.querySelectorAll('h1').length !== 1) faults.push('not one heading');
if (document.querySelectorAll('main').length !== 1) faults.push('not one main part');
if (!page.lang) faults.push('no language');
let level = 0;
for (const h of document.querySelectorAll('h1, h2, h3')) { const n = +h.tagName[1]; if (n > level + 1) faults.push(`${h.tagName} after h${level}`); level = n; }
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
if (new Set(ids).size !== ids.length) faults.push('an id twice');
if (document.scripts.length) faults.push('a script');
return faults;
