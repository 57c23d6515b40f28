// The switch of tenants: those that fit what is typed.

import { fetchFragment, one, throttle } from './lib.js';

const tenants = one('[data-tenants]'), form = one('form', tenants);

export const findTenants = throttle(async () => {
  const fresh = await fetchFragment('choices', `${form.action}?${new URLSearchParams(new FormData(form))}`);
  one('[data-choices]', tenants).replaceWith(fresh);
}, 150);

tenants.addEventListener('input', findTenants);
